//! What the daemon is told at start: flags, or the same names in a YAML file, where lists may be in the plural; a flag wins.
//! Unknown keys are errors.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::Parser;
use model::GenericResource;
use serde::Deserialize;

/// Where the configuration file is looked for when no flag names one; it need not exist.
const DEFAULT_FILE: &str = "/etc/netctl/netd.yaml";

/// The netctl daemon: one per node. Runs the node's agent and, while the node is a manager, the manager.
#[derive(Debug, Default, Parser, Deserialize)]
#[command(name = "netd", version, about)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Flags {
    /// Configuration file with these same names as keys [default: /etc/netctl/netd.yaml if it exists]
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// Where state is kept [default: /var/lib/netctl]
    #[arg(long, value_name = "DIR")]
    data_root: Option<PathBuf>,
    /// Where the socket is made, and containers get their network; the engine must see it, too [default: /run/netctl]
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// The container engine [default: unix:///var/run/docker.sock]
    #[arg(long, value_name = "URL")]
    docker_host: Option<String>,
    /// Where maps and links are pinned; on a bpf file system [default: /sys/fs/bpf/netctl]
    #[arg(long, value_name = "DIR")]
    bpffs: Option<PathBuf>,
    /// cgroup2 directory that the socket hooks hang on [default: the mount found in /proc/mounts]
    #[arg(long, value_name = "DIR")]
    cgroup: Option<PathBuf>,
    /// Where a manager may be, should all that this node knows have moved; may be given several times
    #[arg(long = "peer", value_name = "HOST:PORT")]
    #[serde(default, alias = "peer")]
    peers: Vec<String>,
    /// A resource of this node that services can reserve: so many of a kind (SSD=3) or one by its name (GPU=UUID1), which
    /// stands for what the engine has of that kind; may be given several times
    #[arg(long = "node-generic-resource", value_name = "KIND=VALUE")]
    #[serde(default, alias = "node-generic-resource")]
    node_generic_resources: Vec<String>,
}

/// Everything that the daemon needs to know before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// State; made if absent.
    pub data_root: PathBuf,
    /// Holds `netctl.sock` and the gate of containers; made if absent.
    pub run_dir: PathBuf,
    /// `unix://PATH` of the engine.
    pub docker_host: String,
    /// Where maps and links are pinned.
    pub bpffs: PathBuf,
    /// Where the socket hooks hang; `None`: the cgroup2 mount.
    pub cgroup: Option<PathBuf>,
    /// Where managers may be, `HOST:PORT` each; host names are looked up for each attempt.
    pub peers: Vec<String>,
    /// Resources of the node with operators' names.
    pub generic_resources: Vec<GenericResource>,
}

impl Config {
    /// The command line over the configuration file over the defaults.
    pub fn load() -> Result<Self> {
        let flags = Flags::parse();
        let file = match &flags.config {
            Some(path) => read(path)?,
            None if Path::new(DEFAULT_FILE).exists() => read(Path::new(DEFAULT_FILE))?,
            None => Flags::default(),
        };
        Self::merge(flags, file)
    }

    /// The daemon's own socket.
    pub fn socket(&self) -> PathBuf {
        self.run_dir.join("netctl.sock")
    }

    fn merge(flags: Flags, file: Flags) -> Result<Self> {
        let dir = |flag: Option<PathBuf>, file: Option<PathBuf>, default: &str| {
            flag.or(file).unwrap_or_else(|| PathBuf::from(default))
        };
        let list = |flags: Vec<String>, file: Vec<String>| if flags.is_empty() { file } else { flags };
        let engine = flags.docker_host.or(file.docker_host);
        let resources = list(flags.node_generic_resources, file.node_generic_resources);
        Ok(Self {
            data_root: dir(flags.data_root, file.data_root, "/var/lib/netctl"),
            run_dir: dir(flags.run_dir, file.run_dir, "/run/netctl"),
            docker_host: engine.unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned()),
            bpffs: dir(flags.bpffs, file.bpffs, "/sys/fs/bpf/netctl"),
            cgroup: flags.cgroup.or(file.cgroup),
            peers: list(flags.peers, file.peers),
            generic_resources: GenericResource::offers(&resources)?,
        })
    }
}

fn read(path: &Path) -> Result<Flags> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_saphyr::from_str(&text).with_context(|| format!("{} is not a valid configuration", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let file: Flags = serde_saphyr::from_str(
            "data-root: /srv/netctl\nrun-dir: /srv/run\npeers: [\"manager.example.net:2377\"]\n\
             node-generic-resources: [SSD=3, GPU=UUID1]\n",
        )
        .unwrap();
        let flags = Flags::try_parse_from(["netd", "--run-dir", "/tmp/run"]).unwrap();
        let config = Config::merge(flags, file).unwrap();
        assert_eq!(config.data_root, PathBuf::from("/srv/netctl"));
        assert_eq!(config.socket(), PathBuf::from("/tmp/run/netctl.sock"));
        assert_eq!(config.peers, ["manager.example.net:2377"]);
        assert_eq!(config.docker_host, "unix:///var/run/docker.sock");
        assert_eq!(config.generic_resources.len(), 2);
        let flags = Flags::try_parse_from(["netd", "--node-generic-resource", "GPU"]).unwrap();
        let error = Config::merge(flags, Flags::default()).unwrap_err();
        assert!(error.to_string().contains("\"GPU\""), "{error}");
    }

    #[test]
    fn every_flags_name_is_a_key() {
        let file = "peer: [\"manager.example.net:2377\"]\nnode-generic-resource: [SSD=3]\n";
        let file: Flags = serde_saphyr::from_str(file).unwrap();
        assert_eq!((file.peers.len(), file.node_generic_resources.len()), (1, 1));
    }

    #[test]
    fn unknown_keys_are_errors() {
        assert!(serde_saphyr::from_str::<Flags>("data-rot: /srv\n").is_err());
    }
}
