//! What a Compose file (version 3, or the Compose Specification's part for clusters) may have. Any other key is refused,
//! but for those that are passed over (see [`Open`]).

mod deploy;

use std::collections::BTreeMap;

pub use deploy::{DeployFile, LimitsFile, PlacementFile, PolicyFile, ReservationsFile, ResourcesFile, RestartFile};
use serde::Deserialize;

use super::{
    external::External,
    open::{Open, each, each_or_none, open},
    scalar::{Hosts, Pairs, Scalar, Several, Words, parsed},
};

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComposeFile {
    /// Docker's version of the format; not looked at.
    #[serde(default, rename = "version")]
    _version: Option<Scalar>,
    /// Services by their short names.
    #[serde(default, deserialize_with = "each")]
    pub services: BTreeMap<String, ServiceFile>,
    /// Networks by their short names.
    #[serde(default, deserialize_with = "each_or_none")]
    pub networks: BTreeMap<String, Option<NetworkFile>>,
    /// Volumes by their short names.
    #[serde(default, deserialize_with = "each_or_none")]
    pub volumes: BTreeMap<String, Option<VolumeFile>>,
    /// Secrets by their short names.
    #[serde(default, deserialize_with = "each")]
    pub secrets: BTreeMap<String, PayloadFile>,
    /// Configs by their short names.
    #[serde(default, deserialize_with = "each")]
    pub configs: BTreeMap<String, PayloadFile>,
    /// Keys that were passed over.
    #[serde(skip)]
    pub passed_over: Vec<String>,
}

impl Open for ComposeFile {
    const PASSED_OVER: &'static [&'static str] = &["name"];

    fn passed_over(&mut self, key: String) {
        self.passed_over.push(key);
    }
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
    pub extra_hosts: Hosts,
    pub ports: Vec<PortFile>,
    pub networks: ServiceNetworks,
    pub volumes: Vec<MountFile>,
    pub secrets: Vec<FileRef>,
    pub configs: Vec<FileRef>,
    pub healthcheck: Option<HealthFile>,
    pub logging: Option<LoggingFile>,
    #[serde(deserialize_with = "open")]
    pub deploy: DeployFile,
    #[serde(skip)]
    pub passed_over: Vec<String>,
}

impl Open for ServiceFile {
    const PASSED_OVER: &'static [&'static str] = &[
        "build",
        "cgroup_parent",
        "cgroupns_mode",
        "container_name",
        "depends_on",
        "devices",
        "domainname",
        "expose",
        "external_links",
        "ipc",
        "links",
        "mac_address",
        "network_mode",
        "pid",
        "privileged",
        "restart",
        "security_opt",
        "shm_size",
        "userns_mode",
    ];

    fn passed_over(&mut self, key: String) {
        self.passed_over.push(key);
    }
}

impl Open for NetworkFile {}
impl Open for VolumeFile {}
impl Open for PayloadFile {}

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

impl MountFile {
    /// Where it is in the container.
    pub fn target(&self) -> String {
        let target = match self {
            Self::Short(text) => text.split(':').nth(1).unwrap_or(text),
            Self::Long(long) => &long.target,
        };
        target.to_owned()
    }
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

impl FileRef {
    /// Which secret or config.
    pub fn source(&self) -> String {
        match self {
            Self::Short(source) | Self::Long { source, .. } => source.clone(),
        }
    }
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

/// A network of the file, or with `external` one that is there already.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the Compose file's own words")]
pub struct NetworkFile {
    pub name: Option<String>,
    pub external: External,
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
    pub driver: Option<String>,
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
    pub external: External,
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
    pub external: External,
    pub file: Option<String>,
    pub labels: Pairs,
    pub template_driver: Option<String>,
}
