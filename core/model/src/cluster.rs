//! The cluster's own settings, held in its state like everything else.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use ipnet::IpNet;

use crate::{ClusterId, Invalid, Timestamp};

/// Shortest life of a node's certificate, as in Swarm.
const MIN_CERT_EXPIRY: Duration = Duration::from_secs(3600);
/// Longest: half of the root's 20 years.
const MAX_CERT_EXPIRY: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Settings that hold for all nodes. Fields that an older version did not write have their default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
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
    /// Life of the certificates that nodes get from now on; 90 days by default, at least 1 h.
    pub cert_expiry: Duration,
    /// Log entries between two snapshots of a manager; 10,000 by default.
    pub snapshot_interval: u64,
    /// Whether managers that start ask for the unlock key.
    pub autolock: bool,
    /// Whether services may be privileged and have devices of the host.
    pub allow_privileged: bool,
}

impl ClusterSettings {
    /// Checks the limits of what an operator may change while the cluster runs.
    pub fn validate(&self) -> Result<(), Invalid> {
        if !(MIN_CERT_EXPIRY..=MAX_CERT_EXPIRY).contains(&self.cert_expiry) {
            return Err(Invalid::CertExpiry(self.cert_expiry));
        }
        if !(100..=3_600_000).contains(&self.heartbeat_ms) {
            return Err(Invalid::Heartbeat(self.heartbeat_ms));
        }
        if !(2..=100).contains(&self.heartbeat_grace) {
            return Err(Invalid::HeartbeatGrace(self.heartbeat_grace));
        }
        if !(100..=10_000_000).contains(&self.snapshot_interval) {
            return Err(Invalid::SnapshotInterval(self.snapshot_interval));
        }
        Ok(())
    }
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
            cert_expiry: Duration::from_secs(90 * 86_400),
            snapshot_interval: 10_000,
            autolock: false,
            allow_privileged: false,
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
    /// What managers seal their data keys with on their disks, `SWMKEY-1-...`; empty while autolock is off.
    #[serde(default)]
    pub unlock_key: String,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_limits() {
        let with = |change: fn(&mut ClusterSettings)| {
            let mut settings = ClusterSettings::default();
            change(&mut settings);
            settings.validate()
        };
        assert_eq!(with(|_| {}), Ok(()));
        assert_eq!(with(|s| s.cert_expiry = MIN_CERT_EXPIRY), Ok(()));
        let short = Duration::from_secs(3599);
        assert_eq!(
            with(|s| s.cert_expiry = Duration::from_secs(3599)),
            Err(Invalid::CertExpiry(short))
        );
        assert_eq!(with(|s| s.heartbeat_ms = 99), Err(Invalid::Heartbeat(99)));
        assert_eq!(with(|s| s.heartbeat_grace = 1), Err(Invalid::HeartbeatGrace(1)));
        assert_eq!(with(|s| s.snapshot_interval = 0), Err(Invalid::SnapshotInterval(0)));
    }
}
