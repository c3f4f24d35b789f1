//! What a Compose file (version 3, or the Compose Specification's part for clusters) may have. Any other key is refused.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::scalar::{Pairs, Scalar, Several, Words, parsed};

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComposeFile {
    /// Docker's version of the format; not looked at.
    #[serde(default, rename = "version")]
    _version: Option<Scalar>,
    /// Services by their short names.
    #[serde(default)]
    pub services: BTreeMap<String, ServiceFile>,
    /// Networks by their short names.
    #[serde(default)]
    pub networks: BTreeMap<String, Option<NetworkFile>>,
    /// Volumes by their short names.
    #[serde(default)]
    pub volumes: BTreeMap<String, Option<VolumeFile>>,
    /// Secrets by their short names.
    #[serde(default)]
    pub secrets: BTreeMap<String, PayloadFile>,
    /// Configs by their short names.
    #[serde(default)]
    pub configs: BTreeMap<String, PayloadFile>,
}

/// A service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct ServiceFile {
    pub image: Option<String>,
    pub command: Option<Words>,
    pub entrypoint: Option<Words>,
    pub environment: Pairs,
    pub env_file: Several,
    pub labels: Pairs,
    pub hostname: Option<String>,
    pub working_dir: Option<String>,
    pub user: Option<Scalar>,
    pub tty: bool,
    pub stdin_open: bool,
    pub init: Option<bool>,
    pub read_only: bool,
    pub stop_signal: Option<String>,
    pub stop_grace_period: Option<String>,
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    pub sysctls: Pairs,
    pub ulimits: BTreeMap<String, UlimitFile>,
    pub dns: Several,
    pub dns_search: Several,
    pub dns_opt: Vec<String>,
    pub extra_hosts: Vec<String>,
    pub ports: Vec<PortFile>,
    pub networks: ServiceNetworks,
    pub volumes: Vec<MountFile>,
    pub secrets: Vec<FileRef>,
    pub configs: Vec<FileRef>,
    pub healthcheck: Option<HealthFile>,
    pub logging: Option<LoggingFile>,
    pub deploy: DeployFile,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub enum UlimitFile {
    Both(#[serde(deserialize_with = "parsed")] i64),
    Each {
        #[serde(deserialize_with = "parsed")]
        soft: i64,
        #[serde(deserialize_with = "parsed")]
        hard: i64,
    },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub enum PortFile {
    Short(Scalar),
    Long {
        target: Scalar,
        published: Option<Scalar>,
        protocol: Option<String>,
        mode: Option<String>,
    },
}

/// A list of networks, or a map from them to aliases.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub enum ServiceNetworks {
    List(Vec<String>),
    Map(BTreeMap<String, Option<AttachmentFile>>),
}

impl Default for ServiceNetworks {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct AttachmentFile {
    pub aliases: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub enum MountFile {
    Short(String),
    Long(Box<LongMount>),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct LongMount {
    pub r#type: String,
    #[serde(default)]
    pub source: String,
    pub target: String,
    #[serde(default, deserialize_with = "parsed")]
    pub read_only: bool,
    pub bind: Option<BindFile>,
    pub volume: Option<VolumeOptions>,
    pub tmpfs: Option<TmpfsFile>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct BindFile {
    pub propagation: Option<String>,
    pub create_host_path: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct VolumeOptions {
    pub nocopy: bool,
    pub subpath: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct TmpfsFile {
    pub size: Scalar,
    pub mode: u32,
}

/// A secret or config of a service.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub enum FileRef {
    Short(String),
    Long {
        source: String,
        target: Option<String>,
        uid: Option<Scalar>,
        gid: Option<Scalar>,
        mode: Option<u32>,
    },
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct HealthFile {
    pub test: Option<Words>,
    pub interval: Option<String>,
    pub timeout: Option<String>,
    pub retries: Option<u32>,
    pub start_period: Option<String>,
    pub start_interval: Option<String>,
    pub disable: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct LoggingFile {
    pub driver: String,
    pub options: Pairs,
}

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
    pub limits: AmountsFile,
    pub reservations: AmountsFile,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct AmountsFile {
    pub cpus: Option<Scalar>,
    pub memory: Option<Scalar>,
    pub pids: Option<i64>,
}

/// A network of the file, or with `external` one that is there already.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct NetworkFile {
    pub name: Option<String>,
    pub external: bool,
    pub driver: Option<String>,
    pub internal: bool,
    pub attachable: bool,
    pub labels: Pairs,
    pub ipam: Option<IpamFile>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct IpamFile {
    pub config: Vec<PoolFile>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct PoolFile {
    pub subnet: Option<String>,
    pub gateway: Option<String>,
}

/// A volume of the file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct VolumeFile {
    pub name: Option<String>,
    pub external: bool,
    pub driver: Option<String>,
    pub driver_opts: Pairs,
    pub labels: Pairs,
}

/// A secret or config of the file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct PayloadFile {
    pub name: Option<String>,
    pub external: bool,
    pub file: Option<String>,
    pub labels: Pairs,
    pub template_driver: Option<String>,
}
