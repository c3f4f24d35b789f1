//! The cluster's own settings, held in its state like everything else.

use serde::{Deserialize, Serialize};

use ipnet::IpNet;

use crate::{ClusterId, Timestamp};

/// Settings that hold for all nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSettings {
    /// UDP port of the tunnels on every node; 4789 by default.
    pub data_port: u16,
    /// Pools that networks get their subnets from; the first is `10.0.0.0/8` by default.
    pub address_pools: Vec<IpNet>,
    /// Prefix length of a subnet taken from the pools; 24 by default.
    pub subnet_prefix: u8,
    /// How many ended tasks are kept per slot; 5 by default.
    pub task_history_limit: u32,
    /// Milliseconds between a node's heartbeats; 800 by default.
    pub heartbeat_ms: u32,
    /// Missed heartbeats after which a node is down; 3 by default.
    pub heartbeat_grace: u32,
}

impl Default for ClusterSettings {
    fn default() -> Self {
        let pool = IpNet::V4(ipnet::Ipv4Net::new_assert(std::net::Ipv4Addr::new(10, 0, 0, 0), 8));
        Self {
            data_port: 4789,
            address_pools: vec![pool],
            subnet_prefix: 24,
            task_history_limit: 5,
            heartbeat_ms: 800,
            heartbeat_grace: 3,
        }
    }
}

/// What nobody but the managers may see. Never sent to a node that is not a manager, never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSecrets {
    /// Whole join token for workers, `SWMTKN-1-<digest of the root certificate>-<secret>`.
    pub worker_token: String,
    /// Whole join token for managers.
    pub manager_token: String,
    /// Key of the root certificate, PEM (PKCS#8).
    pub root_ca_key: String,
}

impl std::fmt::Debug for ClusterSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClusterSecrets(..)")
    }
}

/// The cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its id, the `O` of every certificate.
    pub id: ClusterId,
    /// Raft index of the last change.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Settings.
    pub settings: ClusterSettings,
    /// Root certificate, PEM.
    pub root_ca: String,
    /// Tokens and keys.
    pub secrets: ClusterSecrets,
}
