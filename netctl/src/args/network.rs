//! `netctl network ...`

use clap::{Args, Subcommand};

use super::{InspectArgs, ListArgs};

/// The second word after `network`.
#[derive(Debug, Subcommand)]
pub enum NetworkCommand {
    /// Create a network
    Create(NetworkCreateArgs),
    /// List networks
    #[command(visible_alias = "list")]
    Ls(ListArgs),
    /// Display detailed information on one or more networks
    Inspect(InspectArgs),
    /// Remove one or more networks
    #[command(visible_alias = "remove")]
    Rm(NetworkRemoveArgs),
}

/// `network create`
#[derive(Debug, Args)]
pub struct NetworkCreateArgs {
    /// Name of the network
    #[arg(value_name = "NETWORK")]
    pub name: String,
    /// Driver to manage the Network
    #[arg(short, long, default_value = "overlay")]
    pub driver: String,
    /// Set driver specific options
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub opt: Vec<String>,
    /// Scope of the network
    #[arg(long, default_value = "swarm")]
    pub scope: String,
    /// Enable manual container attachment
    #[arg(long)]
    pub attachable: bool,
    /// Restrict external access to the network
    #[arg(long)]
    pub internal: bool,
    /// Subnet in CIDR format that represents a network segment
    #[arg(long, value_name = "CIDR")]
    pub subnet: Vec<String>,
    /// IPv4 Gateway for the subnet
    #[arg(long, value_name = "ADDR")]
    pub gateway: Vec<String>,
    /// Set metadata on a network
    #[arg(long, value_name = "KEY=VALUE")]
    pub label: Vec<String>,
}

/// `network rm`
#[derive(Debug, Args)]
pub struct NetworkRemoveArgs {
    /// IDs, unique prefixes of them, or names
    #[arg(required = true, value_name = "NETWORK")]
    pub names: Vec<String>,
    /// Do not error if the network does not exist
    #[arg(short, long)]
    pub force: bool,
}
