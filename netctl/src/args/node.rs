//! `netctl node ...`

use clap::{Args, Subcommand, ValueEnum};

use super::{InspectArgs, ListArgs};

/// The second word after `node`.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// List nodes in the swarm
    #[command(visible_alias = "list")]
    Ls(ListArgs),
    /// Display detailed information on one or more nodes
    Inspect(InspectArgs),
    /// List tasks running on one or more nodes, defaults to current node
    Ps(NodePsArgs),
    /// Remove one or more nodes from the swarm
    #[command(visible_alias = "remove")]
    Rm(NodeRemoveArgs),
    /// Promote one or more nodes to manager in the swarm
    Promote(NodeRefs),
    /// Demote one or more nodes from manager in the swarm
    Demote(NodeRefs),
    /// Update a node
    Update(NodeUpdateArgs),
}

/// `node rm`
#[derive(Debug, Args)]
pub struct NodeRemoveArgs {
    /// IDs, unique prefixes of them, or names
    #[arg(required = true, value_name = "NODE")]
    pub names: Vec<String>,
    /// Force remove a node from the swarm
    #[arg(short, long)]
    pub force: bool,
}

/// `node promote` and `node demote`
#[derive(Debug, Args)]
pub struct NodeRefs {
    /// Nodes to change
    #[arg(value_name = "NODE", required = true)]
    pub nodes: Vec<String>,
}

/// What a node shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    /// Runs tasks
    Worker,
    /// Runs tasks and holds the cluster's state
    Manager,
}

impl From<RoleArg> for model::Role {
    fn from(arg: RoleArg) -> Self {
        match arg {
            RoleArg::Worker => Self::Worker,
            RoleArg::Manager => Self::Manager,
        }
    }
}

/// `node ps`
#[derive(Debug, Args)]
pub struct NodePsArgs {
    /// Nodes; this one if none is given
    #[arg(value_name = "NODE", default_value = "self")]
    pub nodes: Vec<String>,
    #[command(flatten)]
    pub list: ListArgs,
    /// Do not map IDs to Names
    #[arg(long)]
    pub no_resolve: bool,
}

/// Whether a node takes tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AvailabilityArg {
    /// Takes tasks
    Active,
    /// Keeps its tasks, takes no new ones
    Pause,
    /// Its tasks move elsewhere
    Drain,
}

impl From<AvailabilityArg> for model::Availability {
    fn from(arg: AvailabilityArg) -> Self {
        match arg {
            AvailabilityArg::Active => Self::Active,
            AvailabilityArg::Pause => Self::Pause,
            AvailabilityArg::Drain => Self::Drain,
        }
    }
}

/// `node update`
#[derive(Debug, Args)]
pub struct NodeUpdateArgs {
    /// Node to change
    #[arg(value_name = "NODE")]
    pub node: String,
    /// Availability of the node
    #[arg(long, value_enum)]
    pub availability: Option<AvailabilityArg>,
    /// Role of the node
    #[arg(long, value_enum)]
    pub role: Option<RoleArg>,
    /// Add or update a node label (key=value)
    #[arg(long, value_name = "KEY=VALUE")]
    pub label_add: Vec<String>,
    /// Remove a node label if exists
    #[arg(long, value_name = "KEY")]
    pub label_rm: Vec<String>,
}
