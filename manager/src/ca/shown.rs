//! What a node has of the cluster's authority, as operators see it.

use std::fmt::Display;

use model::NodeTrust;
use store::View;
use wire::pb;
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use super::{Authority, CaError};

/// The roots that `trust` names, and the one that signed. A root that the cluster has given up is left out; `None` if
/// that is the one that signed.
pub(crate) fn tls_info(view: &View, trust: &NodeTrust) -> Result<Option<pb::TlsInfo>, CaError> {
    let unreadable = |why: &dyn Display| CaError::Root(why.to_string());
    let roots = view.cluster().map(|cluster| &cluster.root_ca).into_iter();
    let roots = roots.chain(view.root_rotation().map(|rotation| &rotation.root_ca));
    let mut info = pb::TlsInfo::default();
    for pem in roots {
        let chain = peer::chain(pem).map_err(|why| unreadable(&why))?;
        let der = chain.first().map(AsRef::as_ref).unwrap_or_default();
        let digest = peer::digests(pem).map_err(|why| unreadable(&why))?.concat();
        if digest == trust.issuer {
            let (_, root) = X509Certificate::from_der(der).map_err(|why| unreadable(&why))?;
            info.issuer_subject = root.subject().as_raw().to_vec();
            info.issuer_public_key = root.public_key().raw.to_vec();
        }
        if trust.roots.contains(&digest) {
            info.trust_root += pem;
        }
    }
    Ok(Some(info).filter(|info| !info.issuer_subject.is_empty()))
}

/// As [`tls_info`], of a node that has all that it should have.
pub(crate) fn cluster_tls_info(view: &View) -> Result<Option<pb::TlsInfo>, CaError> {
    match Authority::of(view) {
        Some(authority) => tls_info(view, &authority.wanted()?),
        None => Ok(None),
    }
}
