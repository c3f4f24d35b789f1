//! The part `deploy:` of a service.

use serde::Deserialize;

use crate::stack::{
    open::Open,
    scalar::{Pairs, Scalar},
};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct DeployFile {
    pub mode: Option<String>,
    pub replicas: Option<u32>,
    pub labels: Pairs,
    pub endpoint_mode: Option<String>,
    pub update_config: Option<PolicyFile>,
    pub rollback_config: Option<PolicyFile>,
    pub restart_policy: Option<RestartFile>,
    pub placement: PlacementFile,
    pub resources: ResourcesFile,
}

impl Open for DeployFile {}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct PolicyFile {
    pub parallelism: Option<u32>,
    pub delay: Option<String>,
    pub failure_action: Option<String>,
    pub monitor: Option<String>,
    pub max_failure_ratio: Option<f64>,
    pub order: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct RestartFile {
    pub condition: Option<String>,
    pub delay: Option<String>,
    pub max_attempts: Option<u32>,
    pub window: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct PlacementFile {
    pub constraints: Vec<String>,
    pub preferences: Vec<PreferenceFile>,
    pub max_replicas_per_node: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct PreferenceFile {
    pub spread: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct ResourcesFile {
    pub limits: LimitsFile,
    pub reservations: ReservationsFile,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct LimitsFile {
    pub cpus: Option<Scalar>,
    pub memory: Option<Scalar>,
    pub pids: Option<i64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct ReservationsFile {
    pub cpus: Option<Scalar>,
    pub memory: Option<Scalar>,
    pub generic_resources: Vec<GenericFile>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct GenericFile {
    pub discrete_resource_spec: DiscreteFile,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct DiscreteFile {
    pub kind: String,
    pub value: u64,
}
