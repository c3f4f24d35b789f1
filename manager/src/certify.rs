//! What a manager certifies by itself, with the authority of the state that it has: the node that takes over a backup's
//! cluster, and its own node where the certificate has ended. Nobody else could renew that one: managers refuse it, and
//! those that were off together have no majority before they take each other's calls.

use model::{NodeId, Role, Timestamp};
use peer::Subject;
use store::View;

use crate::{
    ca::{self, Authority, CaError},
    config::NodeCredentials,
    mint,
    start::StartError,
};

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

/// Key and certificate of a new node, signed by the authority of `view`.
pub(crate) fn new_node(view: &View) -> Result<NodeCredentials, StartError> {
    let authority = Authority::of(view).ok_or(StartError::NoState)?;
    Ok(manager(&authority, NodeId::from_bits(mint::bits()), mint::now())?)
}

/// Of a manager, signed by this authority.
fn manager(authority: &Authority, node: NodeId, now: Timestamp) -> Result<NodeCredentials, CaError> {
    let subject = Subject {
        node,
        role: Role::Manager,
        cluster: authority.cluster,
    };
    fresh(subject, authority.bundle.clone(), |csr| {
        authority.sign(csr, subject, now)
    })
}

/// A fresh key, and the certificate that `sign` makes of its request.
pub(crate) fn fresh(
    subject: Subject,
    root_pem: String,
    sign: impl FnOnce(&str) -> Result<String, CaError>,
) -> Result<NodeCredentials, CaError> {
    let (key_pem, csr_pem) = ca::fresh_request()?;
    Ok(NodeCredentials {
        node: subject.node,
        cluster: subject.cluster,
        role: subject.role,
        certificate_pem: sign(&csr_pem)?,
        key_pem,
        root_pem,
    })
}

/// What the manager starts with: `given`, or new credentials of the same node if the certificate is not valid by this
/// host's clock, be it over or signed by a clock that was ahead, and the state `view` lets the node sign another.
///
/// The state may be old, and the node demoted or removed meanwhile. It gains nothing by the certificate that it has signed:
/// the others look each caller up in their own state (`access`), take raft's messages from their own members only, and
/// tell the node what it is to be. The key of the authority it has in any case.
pub(crate) fn in_force(given: NodeCredentials, view: &View, now: Timestamp) -> NodeCredentials {
    let life = Subject::validity(&given.certificate_pem);
    let is_invalid = life.is_ok_and(|life| !life.holds(now.0.div_euclid(SECOND)));
    if !is_invalid || !has_seat(view, given.node) {
        return given;
    }
    match again(&given, view, now) {
        Ok(Some(signed)) => {
            tracing::warn!(
                "by the clock of this host this node's certificate is not valid any more: its manager has signed another. \
                 If the clock is wrong the others refuse it; once it is set (NTP) another one is signed"
            );
            signed
        }
        Ok(None) => given,
        Err(why) => {
            tracing::error!(%why, "this node's certificate has ended, and its manager cannot sign another");
            given
        }
    }
}

/// Whether the node is one of raft's members, as far as is known here.
fn has_seat(view: &View, node: NodeId) -> bool {
    view.node(node).is_some_and(|node| node.raft_id.is_some())
}

/// `None` where the clock is before the root's time, as on a host that has not heard the time yet, or after it: whatever is
/// signed now would be of no use, and take the place of what may be good once the clock is right.
fn again(given: &NodeCredentials, view: &View, now: Timestamp) -> Result<Option<NodeCredentials>, StartError> {
    let Some(authority) = Authority::of(view) else {
        return Ok(None);
    };
    if !authority.is_valid(now)? {
        return Ok(None);
    }
    let signed = manager(&authority, given.node, now)?;
    // The key may be another root's.
    peer::verify(&signed.certificate_pem, &authority.bundle)?;
    Ok(Some(NodeCredentials {
        root_pem: all_roots(&authority.bundle, &given.root_pem)?,
        ..signed
    }))
}

/// The roots that the state has, and those that the node knows besides: its session may have been ahead of its log.
fn all_roots(stated: &str, known: &str) -> Result<String, peer::PeerError> {
    let there = peer::chain(stated)?;
    let others = peer::chain(known)?.into_iter().filter(|root| !there.contains(root));
    let mut all = stated.to_owned();
    for root in others {
        all = format!("{}\n{}", all.trim_end(), peer::to_pem(&root));
    }
    Ok(all)
}
