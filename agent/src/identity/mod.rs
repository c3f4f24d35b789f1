//! Who this node is: its certificate, its key and the cluster's root certificate, in memory and on disk.
//!
//! Role and ids are read from the certificate (CN = node id, OU = role, O = cluster id) and kept nowhere else. A node
//! joins by token once; later certificates are got with the one before.

mod disk;
mod join;
mod life;
mod renewal;

use std::{fmt, io, path::PathBuf, sync::Arc};

use model::{ClusterId, NodeId, Role};
use peer::{Accept, Own, PeerError, Subject};
use rustls::ClientConfig;
use seal::Keys;
use thiserror::Error;

pub use join::{JoinError, JoinRequest, SigningRequest, confirm, data_port, join, renew};
pub(crate) use life::now;
pub use renewal::CoverOrder;
pub(crate) use renewal::{Covers, keep_fresh};

/// A node's identity.
#[derive(Clone)]
pub struct Identity {
    /// The node.
    pub node: NodeId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// Its role, as certified.
    pub role: Role,
    /// Certificate, PEM.
    pub certificate_pem: String,
    /// Its key, PEM (PKCS#8). Never printed. Sealed on a manager that waits for the unlock key.
    pub key_pem: String,
    /// Root certificate, PEM.
    pub ca_pem: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} {} of {})", self.role.word(), self.node, self.cluster)
    }
}

/// An identity that cannot be used.
#[derive(Debug, Error)]
#[allow(
    missing_docs,
    reason = "the message of each variant says what it and its fields mean"
)]
pub enum IdentityError {
    #[error("cannot access {path}: {error}")]
    File { path: PathBuf, error: io::Error },
    #[error("{path} has format {found:?}, this version reads another: upgrade netd")]
    Format { path: PathBuf, found: String },
    #[error("{path} is sealed, and the key file beside the raft log does not open it: put both back from one backup")]
    Sealed { path: PathBuf },
    #[error("the agent has ended: it writes no key any more")]
    Ended,
    #[error(transparent)]
    Peer(#[from] PeerError),
}

/// What a node says whose key is sealed.
const SEALED: &str = "this node's key is sealed until \"netctl swarm unlock\"";

impl Identity {
    /// Takes PEM texts and reads ids and role from the certificate.
    pub fn from_pem(certificate_pem: String, key_pem: String, ca_pem: String) -> Result<Self, IdentityError> {
        let subject = Subject::of_pem(&certificate_pem)?;
        let identity = Self {
            node: subject.node,
            cluster: subject.cluster,
            role: subject.role,
            certificate_pem,
            key_pem,
            ca_pem,
        };
        // Fails now if key and certificate do not belong together.
        if !identity.is_sealed() {
            identity.client_config()?;
        }
        Ok(identity)
    }

    /// Whether its key cannot be used: the node knows who it is, and cannot show it.
    pub fn is_sealed(&self) -> bool {
        seal::is_covered(&self.key_pem)
    }

    /// With its key usable.
    pub fn opened(self, keys: &Keys) -> Result<Self, IdentityError> {
        let sealed = |_| IdentityError::Sealed {
            path: PathBuf::from("identity/node.key"),
        };
        let key_pem = seal::uncover(&self.key_pem, keys).map_err(sealed)?;
        Self::from_pem(self.certificate_pem, key_pem, self.ca_pem)
    }

    /// TLS configuration of this node when it calls a manager.
    fn client_config(&self) -> Result<Arc<ClientConfig>, PeerError> {
        if self.is_sealed() {
            return Err(PeerError::Certificate(SEALED));
        }
        let own = Own {
            certificate_pem: &self.certificate_pem,
            key_pem: &self.key_pem,
        };
        peer::client_config(&Accept::Manager(&self.ca_pem), Some(own))
    }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
