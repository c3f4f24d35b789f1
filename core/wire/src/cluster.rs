//! The cluster and its settings. Tokens and keys have no form on the wire.

use std::time::Duration;

use model::{Cluster, ClusterSettings};

use crate::{
    WireError, pb,
    scalar::{nanos, narrow, parse, port},
};

impl From<ClusterSettings> for pb::ClusterSettings {
    fn from(settings: ClusterSettings) -> Self {
        Self {
            data_port: settings.data_port.into(),
            address_pools: settings.address_pools.iter().map(ToString::to_string).collect(),
            subnet_prefix: settings.subnet_prefix.into(),
            task_history_limit: settings.task_history_limit,
            heartbeat_ms: settings.heartbeat_ms,
            heartbeat_grace: settings.heartbeat_grace,
            cert_expiry: nanos(settings.cert_expiry),
            snapshot_interval: settings.snapshot_interval,
            autolock: settings.autolock,
            allow_privileged: settings.allow_privileged,
        }
    }
}

impl TryFrom<pb::ClusterSettings> for ClusterSettings {
    type Error = WireError;
    fn try_from(settings: pb::ClusterSettings) -> Result<Self, WireError> {
        let pools = settings.address_pools.iter();
        Ok(Self {
            data_port: port("data_port", settings.data_port)?,
            address_pools: pools
                .map(|pool| parse("address_pools", pool))
                .collect::<Result<_, _>>()?,
            subnet_prefix: narrow("subnet_prefix", settings.subnet_prefix)?,
            task_history_limit: settings.task_history_limit,
            heartbeat_ms: settings.heartbeat_ms,
            heartbeat_grace: settings.heartbeat_grace,
            cert_expiry: Duration::from_nanos(settings.cert_expiry),
            snapshot_interval: settings.snapshot_interval,
            autolock: settings.autolock,
            allow_privileged: settings.allow_privileged,
        })
    }
}

/// Without what is known of the nodes.
impl From<Cluster> for pb::Cluster {
    fn from(cluster: Cluster) -> Self {
        Self {
            id: cluster.id.to_string(),
            version: cluster.version,
            created_at: cluster.created_at.0,
            settings: Some(cluster.settings.into()),
            root_ca: cluster.root_ca,
            ..Self::default()
        }
    }
}
