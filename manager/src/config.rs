//! What a manager is started with. Made by the daemon.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use model::{Availability, ClusterId, ClusterSettings, NodeDescription, NodeId, Role};
use peer::Hints;
use seal::KeyFile;

use crate::ca::CaError;

/// Where a manager keeps its state and where it listens.
#[derive(Clone, Debug)]
pub struct ManagerConfig {
    /// Folder of the daemon's state; the manager uses `raft/` in it.
    pub data_root: PathBuf,
    /// Address and port that the control port binds; `0.0.0.0:2377` by default. Port 0 takes a free one, for tests.
    pub listen_addr: SocketAddr,
    /// Address and port at which others reach the control port.
    pub advertise_addr: SocketAddr,
    /// Where other managers may be, should all that are known have moved.
    pub hints: Hints,
}

/// A root certificate that an operator brings.
#[derive(Clone)]
pub struct GivenRoot {
    /// Certificate, PEM.
    pub certificate_pem: String,
    /// Its key, PEM (PKCS#8). Secret.
    pub key_pem: String,
}

impl GivenRoot {
    /// What was typed: both, or neither, which is no root.
    pub fn of(certificate_pem: String, key_pem: String) -> Result<Option<Self>, CaError> {
        match (certificate_pem.is_empty(), key_pem.is_empty()) {
            (true, true) => Ok(None),
            (false, false) => Ok(Some(Self {
                certificate_pem,
                key_pem,
            })),
            _ => Err(CaError::Half),
        }
    }
}

impl fmt::Debug for GivenRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not even the certificate's text: an operator may have put the key into the same file.
        f.write_str("GivenRoot")
    }
}

/// What a new cluster begins with.
#[derive(Clone, Debug)]
pub struct InitParams {
    /// Settings of the cluster: data port, address pools, heartbeats.
    pub settings: ClusterSettings,
    /// Whether the first node takes tasks.
    pub availability: Availability,
    /// The root certificate to begin with; `None`: a fresh one.
    pub root: Option<GivenRoot>,
    /// The first node's machine; says which prefixes no network may have. `None`: it says so when its agent comes.
    pub description: Option<NodeDescription>,
}

impl InitParams {
    /// Defaults of everything.
    pub fn new() -> Self {
        Self {
            settings: ClusterSettings::default(),
            availability: Availability::Active,
            root: None,
            description: None,
        }
    }
}

impl Default for InitParams {
    fn default() -> Self {
        Self::new()
    }
}

/// A node's identity. The agent keeps it on disk and shows it wherever it calls.
#[derive(Clone)]
pub struct NodeCredentials {
    /// The node, as in the certificate's CN.
    pub node: NodeId,
    /// The cluster, as in the certificate's O.
    pub cluster: ClusterId,
    /// The role, as in the certificate's OU.
    pub role: Role,
    /// Certificate, PEM.
    pub certificate_pem: String,
    /// Its key, PEM (PKCS#8). Secret.
    pub key_pem: String,
    /// The cluster's root certificate, PEM.
    pub root_pem: String,
}

impl fmt::Debug for NodeCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeCredentials({} {})", self.role.word(), self.node)
    }
}

/// Where the keys that seal a manager's log lie.
pub(crate) fn key_file(data_root: &Path) -> KeyFile {
    KeyFile::at(data_root.join("raft").join("keys.json"))
}

impl ManagerConfig {
    /// Where the raft member keeps what must survive.
    pub(crate) fn raft_file(&self) -> PathBuf {
        self.data_root.join("raft").join("raft.redb")
    }

    /// Where the keys that seal it lie.
    pub(crate) fn key_file(&self) -> KeyFile {
        key_file(&self.data_root)
    }

    /// The node's address without the port.
    pub(crate) fn node_addr(&self) -> IpAddr {
        self.advertise_addr.ip()
    }
}
