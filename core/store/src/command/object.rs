//! What is made, and what becomes of it: networks, secrets and configs, services.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;
use model::{
    NetworkId, NetworkSpec, PayloadBytes, PayloadId, PayloadKind, PayloadSpec, PublishedPort, Ratio, RunOutcome,
    ServiceId, ServiceSpec, TaskId, Timestamp, VirtualIp, Vni,
};
use serde::{Deserialize, Serialize};

/// A network to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewNetwork {
    /// Its id.
    pub id: NetworkId,
    /// When.
    pub at: Timestamp,
    /// What was asked for.
    pub spec: NetworkSpec,
    /// Segment, free when it was chosen.
    pub vni: Vni,
    /// Subnet, free when it was chosen.
    pub subnet: IpNet,
    /// A host address of the subnet.
    pub gateway: IpAddr,
}

/// A secret or config to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPayload {
    /// Its id.
    pub id: PayloadId,
    /// When.
    pub at: Timestamp,
    /// Secret or config.
    pub kind: PayloadKind,
    /// Name, labels.
    pub spec: PayloadSpec,
    /// The bytes.
    pub bytes: PayloadBytes,
}

/// Other labels of a secret or config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadLabels {
    /// Which.
    pub id: PayloadId,
    /// Version that was read.
    pub version: u64,
    /// When.
    pub at: Timestamp,
    /// All of them.
    pub labels: BTreeMap<String, String>,
}

/// New bytes under the name of a secret or config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadRotation {
    /// Whose name.
    pub old: PayloadId,
    /// Id of the one that takes it.
    pub new: PayloadId,
    /// When.
    pub at: Timestamp,
    /// Its bytes.
    pub bytes: PayloadBytes,
    /// The services that use the name as of the plan, each of which the same step updates; refused if they are others
    /// by then. `None`: not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<BTreeSet<ServiceId>>,
}

/// A service to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewService {
    /// Its id.
    pub id: ServiceId,
    /// When.
    pub at: Timestamp,
    /// What was asked for.
    pub spec: ServiceSpec,
    /// One address per network, unless `dnsrr`.
    pub vips: Vec<VirtualIp>,
    /// The published ports with their numbers.
    pub ports: Vec<PublishedPort>,
}

/// A service's new spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceChange {
    /// Which.
    pub id: ServiceId,
    /// Version that was read.
    pub version: u64,
    /// When.
    pub at: Timestamp,
    /// What is asked for now.
    pub spec: ServiceSpec,
    /// One address per network, unless `dnsrr`; those of unchanged networks stay.
    pub vips: Vec<VirtualIp>,
    /// The published ports with their numbers; those of unchanged ports stay.
    pub ports: Vec<PublishedPort>,
    /// This share of new flows is for tasks of the new spec, and only so many are made for now; `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Ratio>,
}

/// A service's way back to the spec before its last change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// Which.
    pub id: ServiceId,
    /// Version that was read.
    pub version: u64,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub cause: RollbackCause,
    /// As in a [`ServiceChange`], for the spec that comes back.
    pub vips: Vec<VirtualIp>,
    /// As in a [`ServiceChange`], for the spec that comes back.
    pub ports: Vec<PublishedPort>,
}

/// Who wishes for a rollback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RollbackCause {
    /// An operator, who can go forward again by another one.
    Asked,
    /// The update's policy, after this task had failed. The spec that failed does not come back.
    Failed(TaskId),
}

/// What happens to a run of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunStep {
    /// It is the next one, and begins.
    Begin,
    /// It is the present one, and is over.
    End(RunOutcome),
}
