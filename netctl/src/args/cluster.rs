//! `netctl swarm ...`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::AvailabilityArg;

/// The second word after `swarm`.
#[derive(Debug, Subcommand)]
pub enum SwarmCommand {
    /// Initialize a swarm
    Init(InitArgs),
    /// Join a swarm as a node and/or manager
    Join(JoinArgs),
    /// Manage join tokens
    JoinToken(JoinTokenArgs),
    /// Write everything that the managers know to a file
    Backup(BackupArgs),
    /// Make a swarm of this node from a backup
    Restore(RestoreArgs),
    /// Tell this node where a manager is, should all that it knows have moved
    JoinAddr(JoinAddrArgs),
    /// Leave the swarm
    Leave(LeaveArgs),
    /// Update the swarm
    Update(UpdateArgs),
    /// Display and rotate the root CA
    Ca(CaArgs),
    /// Unlock swarm
    Unlock,
    /// Manage the unlock key
    UnlockKey(UnlockKeyArgs),
}

/// `swarm backup`
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// Where to; a file that is there is replaced once the new one is whole
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// `swarm restore`
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// A file that "netctl swarm backup" wrote
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Advertised address (format: "<ip|interface>[:port]")
    #[arg(long, value_name = "ADDR", default_value = "", hide_default_value = true)]
    pub advertise_addr: String,
    /// Listen address (format: "<ip|interface>[:port]") [default: 0.0.0.0:2377]
    #[arg(long, value_name = "ADDR", default_value = "", hide_default_value = true)]
    pub listen_addr: String,
    /// Address or interface to use for data path traffic (format: "<ip|interface>")
    #[arg(long, value_name = "ADDR", default_value = "", hide_default_value = true)]
    pub data_path_addr: String,
    /// Availability of the node
    #[arg(long, value_enum, default_value = "active")]
    pub availability: AvailabilityArg,
}

/// `swarm unlock-key`
#[derive(Debug, Args)]
pub struct UnlockKeyArgs {
    /// Only display token
    #[arg(short, long)]
    pub quiet: bool,
    /// Rotate unlock key
    #[arg(long)]
    pub rotate: bool,
}

/// `swarm ca`
#[derive(Debug, Args)]
pub struct CaArgs {
    /// Rotate the swarm CA - if no certificate or key are provided, new ones will be generated
    #[arg(long)]
    pub rotate: bool,
    /// Path to the PEM-formatted root CA certificate to use for the new cluster
    #[arg(long, value_name = "FILE", requires = "rotate", requires = "ca_key")]
    pub ca_cert: Option<PathBuf>,
    /// Path to the PEM-formatted root CA key to use for the new cluster
    #[arg(long, value_name = "FILE", requires = "rotate", requires = "ca_cert")]
    pub ca_key: Option<PathBuf>,
    /// Validity period for node certificates (ns|us|ms|s|m|h) [default: 2160h0m0s]
    #[arg(long, value_name = "DURATION", requires = "rotate")]
    pub cert_expiry: Option<String>,
    /// Exit immediately instead of waiting for the root rotation to converge
    #[arg(short, long)]
    pub detach: bool,
    /// Suppress progress output
    #[arg(short, long)]
    pub quiet: bool,
}

/// Settings that `swarm init` and `swarm update` have in common.
#[derive(Debug, Args)]
pub struct SettingsArgs {
    /// Validity period for node certificates (ns|us|ms|s|m|h) [default: 2160h0m0s]
    #[arg(long, value_name = "DURATION")]
    pub cert_expiry: Option<String>,
    /// Dispatcher heartbeat period (ns|us|ms|s|m|h) [default: 800ms]
    #[arg(long, value_name = "DURATION")]
    pub dispatcher_heartbeat: Option<String>,
    /// Missed heartbeats after which a node is down [default: 3]
    #[arg(long, value_name = "N")]
    pub dispatcher_heartbeat_grace: Option<u32>,
    /// Number of log entries between Raft snapshots [default: 10000]
    #[arg(long, value_name = "N")]
    pub snapshot_interval: Option<u64>,
    /// Task history retention limit [default: 5]
    #[arg(long, value_name = "N")]
    pub task_history_limit: Option<u32>,
    /// Number of additional Raft snapshots to retain; only 0: one snapshot is kept and replaced as a whole
    #[arg(long, value_name = "N", hide = true)]
    pub max_snapshots: Option<u64>,
    /// Not served: the managers sign certificates themselves
    #[arg(long, value_name = "SPEC", hide = true)]
    pub external_ca: Vec<String>,
}

/// `swarm update`
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct UpdateArgs {
    /// Change manager autolocking setting (true|false)
    #[arg(long)]
    pub autolock: Option<bool>,
    /// Whether services may be privileged and have devices of their hosts (true|false)
    #[arg(long)]
    pub allow_privileged: Option<bool>,
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// `swarm init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Advertised address (format: "<ip|interface>[:port]")
    #[arg(long, value_name = "ADDR", default_value = "")]
    pub advertise_addr: String,
    /// Listen address (format: "<ip|interface>[:port]") [default: 0.0.0.0:2377]
    #[arg(long, value_name = "ADDR", default_value = "", hide_default_value = true)]
    pub listen_addr: String,
    /// Address or interface to use for data path traffic (format: "<ip|interface>")
    #[arg(long, value_name = "ADDR", default_value = "", hide_default_value = true)]
    pub data_path_addr: String,
    /// Port number to use for data path traffic (1024 - 49151) [default: 4789]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true, value_parser = data_port)]
    pub data_path_port: u32,
    /// Default address pool in CIDR format [default: 10.0.0.0/8]
    #[arg(long, value_name = "POOL", value_parser = pool)]
    pub default_addr_pool: Vec<ipnet::IpNet>,
    /// Default address pool subnet mask length
    #[arg(long, value_name = "BITS", default_value_t = 24, value_parser = clap::value_parser!(u8).range(8..=29))]
    pub default_addr_pool_mask_length: u8,
    /// Force create a new cluster from current state
    #[arg(long)]
    pub force_new_cluster: bool,
    /// Availability of the node
    #[arg(long, value_enum, default_value = "active")]
    pub availability: AvailabilityArg,
    /// Enable manager autolocking (requiring an unlock key to start a stopped manager)
    #[arg(long)]
    pub autolock: bool,
    /// Path to the PEM-formatted root CA certificate to use for the new cluster
    #[arg(long, value_name = "FILE", requires = "ca_key")]
    pub ca_cert: Option<PathBuf>,
    /// Path to the PEM-formatted root CA key to use for the new cluster
    #[arg(long, value_name = "FILE", requires = "ca_cert")]
    pub ca_key: Option<PathBuf>,
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// `swarm join`
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// Address of a manager
    #[arg(value_name = "HOST:PORT")]
    pub remote: String,
    /// Token for entry into the swarm
    #[arg(long)]
    pub token: String,
    /// Advertised address (format: "<ip|interface>[:port]")
    #[arg(long, value_name = "ADDR", default_value = "", hide_default_value = true)]
    pub advertise_addr: String,
    /// Listen address (format: "<ip|interface>[:port]") [default: 0.0.0.0:2377]
    #[arg(long, value_name = "ADDR", default_value = "", hide_default_value = true)]
    pub listen_addr: String,
    /// Address or interface to use for data path traffic (format: "<ip|interface>")
    #[arg(long, value_name = "ADDR", default_value = "", hide_default_value = true)]
    pub data_path_addr: String,
    /// Availability of the node
    #[arg(long, value_enum, default_value = "active")]
    pub availability: AvailabilityArg,
}

/// Whom a token lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TokenRole {
    /// Workers
    Worker,
    /// Managers
    Manager,
}

/// `swarm join-token`
#[derive(Debug, Args)]
pub struct JoinTokenArgs {
    /// Role that the token gives
    #[arg(value_enum)]
    pub role: TokenRole,
    /// Rotate join token
    #[arg(long)]
    pub rotate: bool,
    /// Mint another token, which admits nobody after this time (ns|us|ms|s|m|h)
    #[arg(long, value_name = "DURATION", conflicts_with = "rotate")]
    pub ttl: Option<String>,
    /// Mint another token, which admits this many nodes
    #[arg(long, value_name = "N", conflicts_with = "rotate", value_parser = clap::value_parser!(u32).range(1..))]
    pub uses: Option<u32>,
    /// Only display token
    #[arg(short, long)]
    pub quiet: bool,
}

/// `swarm join-addr`
#[derive(Debug, Args)]
pub struct JoinAddrArgs {
    /// Address of a manager
    #[arg(value_name = "HOST:PORT")]
    pub addr: String,
}

/// `swarm leave`
#[derive(Debug, Args)]
pub struct LeaveArgs {
    /// Force this node to leave the swarm, ignoring warnings
    #[arg(short, long)]
    pub force: bool,
}

fn pool(text: &str) -> Result<ipnet::IpNet, String> {
    let invalid = |_| "use CIDR notation like 10.0.0.0/8".to_owned();
    text.parse().map_err(invalid)
}

fn data_port(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(port @ (0 | 1024..=49151)) => Ok(port),
        _ => Err("the data path port must be between 1024 and 49151".into()),
    }
}
