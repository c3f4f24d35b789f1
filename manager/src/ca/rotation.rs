//! Replacing the cluster's root certificate: what a rotation begins with, and how far it is.

use model::{ClusterId, NodeId, Role, RootRotation, RootSecrets, Timestamp};
use peer::Subject;
use store::View;
use wire::pb;

use super::{Authority, CaError, Root, digest_of, fresh_request, given};
use crate::token;

/// A rotation to `given`, or to a new root of the managers' own.
pub(crate) fn fresh_rotation(
    view: &View,
    given: Option<Root>,
    now: Timestamp,
) -> Result<Option<RootRotation>, CaError> {
    let Some(cluster) = view.cluster() else { return Ok(None) };
    let old = Root {
        certificate_pem: cluster.root_ca.clone(),
        key_pem: cluster.secrets.root_ca_key.clone(),
    };
    let new = match given {
        None => Root::create(now)?,
        Some(root) => given::check(root, now, cluster.settings.cert_expiry)?,
    };
    let digest = digest_of(&new.certificate_pem)?;
    if digest == old.digest()? {
        return Err(CaError::Given("it is the cluster's root already".to_owned()));
    }
    let cross_signed = old.cross_sign(&new)?;
    probe(&new, Some((&old, &cross_signed)), now)?;
    Ok(Some(RootRotation {
        digest: peer::digests(&new.certificate_pem)
            .map_err(|why| CaError::Root(why.to_string()))?
            .concat(),
        root_ca: new.certificate_pem,
        cross_signed,
        next: RootSecrets {
            worker_token: token::fresh(digest).to_string(),
            manager_token: token::fresh(digest).to_string(),
            root_ca_key: new.key_pem,
        },
    }))
}

/// Signs a certificate as managers will, and verifies it as nodes will that trust the new root, or only the `old` one,
/// to which what it has cross-signed leads.
pub(crate) fn probe(new: &Root, old: Option<(&Root, &str)>, now: Timestamp) -> Result<(), CaError> {
    let subject = Subject {
        node: NodeId::from_bits(1),
        role: Role::Manager,
        cluster: ClusterId::from_bits(1),
    };
    let (_, csr) = fresh_request()?;
    let life = std::time::Duration::from_secs(3600);
    let certificate = new.sign(&csr, subject, now, life)?;
    let unfit = |why: peer::PeerError| CaError::Given(format!("certificates under it cannot be verified: {why}"));
    peer::verify(&certificate, &new.certificate_pem).map_err(unfit)?;
    match old {
        Some((old, cross_signed)) => peer::verify(&(certificate + cross_signed), &old.certificate_pem).map_err(unfit),
        None => Ok(()),
    }
}

/// Fills in how many nodes have what the cluster's authority wants them to have.
pub(crate) fn progress(view: &View, cluster: &mut pb::Cluster) -> Result<(), CaError> {
    let Some(wanted) = Authority::of(view).map(|authority| authority.wanted()) else {
        return Ok(());
    };
    let digest = wanted?.issuer;
    let (mut nodes, mut certified, mut trusting) = (0, 0, 0);
    for node in view.nodes() {
        nodes += 1;
        let Some(trust) = view.node_trust(node.id) else {
            continue;
        };
        certified += u32::from(trust.issuer == digest);
        trusting += u32::from(trust.roots == [digest.as_str()]);
    }
    cluster.root_digest = digest;
    cluster.next_root_ca = view.root_rotation().map(|rotation| rotation.root_ca.clone());
    (cluster.nodes, cluster.certified_nodes, cluster.trusting_nodes) = (nodes, certified, trusting);
    Ok(())
}
