//! The authority as the state has it now: whose key signs, and what nodes are to trust. While a new root is on its way
//! its key signs, and both roots are trusted.

use std::time::Duration;

use model::{ClusterId, NodeTrust, Timestamp};
use peer::Subject;
use store::View;

use super::{CaError, Root, life, moment};

/// See the module.
pub(crate) struct Authority {
    /// The cluster.
    pub(crate) cluster: ClusterId,
    /// The root that join tokens pin, PEM.
    pub(crate) pinned: String,
    /// All roots that nodes are to trust, PEM; the pinned one first.
    pub(crate) bundle: String,
    signer: Root,
    /// What leads from a new signer to the pinned root; empty if that signs itself.
    chain: String,
    life: Duration,
}

impl Authority {
    /// `None` before there is a cluster.
    pub(crate) fn of(view: &View) -> Option<Self> {
        let cluster = view.cluster()?;
        let mut authority = Self {
            cluster: cluster.id,
            pinned: cluster.root_ca.clone(),
            bundle: cluster.root_ca.clone(),
            signer: Root {
                certificate_pem: cluster.root_ca.clone(),
                key_pem: cluster.secrets.root_ca_key.clone(),
            },
            chain: String::new(),
            life: cluster.settings.cert_expiry,
        };
        if let Some(rotation) = view.root_rotation() {
            authority.bundle = format!("{}\n{}", cluster.root_ca.trim_end(), rotation.root_ca);
            authority.signer = Root {
                certificate_pem: rotation.root_ca.clone(),
                key_pem: rotation.next.root_ca_key.clone(),
            };
            authority.chain.clone_from(&rotation.cross_signed);
        }
        Some(authority)
    }

    /// A certificate with what leads to the pinned root, PEM, for the key of a signing request.
    pub(crate) fn sign(&self, csr_pem: &str, subject: Subject, now: Timestamp) -> Result<String, CaError> {
        let certificate = self.signer.sign(csr_pem, subject, now, self.life)?;
        Ok(certificate + &self.chain)
    }

    /// Whether the root that signs is valid now: if not, it cannot sign any more, or the clock is wrong.
    pub(crate) fn is_valid(&self, now: Timestamp) -> Result<bool, CaError> {
        let (first, last) = life(&self.signer.certificate_pem)?;
        Ok((first..=last).contains(&moment(now)))
    }

    /// What a node should have.
    pub(crate) fn wanted(&self) -> Result<NodeTrust, CaError> {
        let digests = |pem: &str| peer::digests(pem).map_err(|why| CaError::Root(why.to_string()));
        Ok(NodeTrust {
            issuer: digests(&self.signer.certificate_pem)?.concat(),
            roots: digests(&self.bundle)?,
        })
    }
}
