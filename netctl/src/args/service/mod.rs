//! `netctl service ...`

mod flags;
mod lists;

use clap::{Args, Subcommand};

pub use flags::{
    ContainerFlags, EndpointModeArg, FailureActionArg, HealthFlags, ModeFlags, OrderArg, PullArg, ResourceFlags,
    RestartConditionArg, RestartFlags, RollbackFlags, ServiceFlags, UpdateFlags,
};
pub use lists::{AddedLists, ChangedLists, Edit, Edits};

use super::{InspectArgs, ListArgs, RemoveArgs};

/// The second word after `service`.
#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Create a new service
    Create(Box<ServiceCreateArgs>),
    /// List services
    #[command(visible_alias = "list")]
    Ls(ListArgs),
    /// List the tasks of one or more services
    Ps(PsArgs),
    /// Display detailed information on one or more services
    Inspect(InspectArgs),
    /// Scale one or multiple replicated services
    Scale(ScaleArgs),
    /// Remove one or more services
    #[command(visible_alias = "remove")]
    Rm(RemoveArgs),
    /// Update a service
    Update(Box<ServiceUpdateArgs>),
    /// Revert changes to a service's configuration
    Rollback(RollbackArgs),
    /// Move tasks of a replicated service until all nodes have equally many
    Rebalance(RebalanceArgs),
    /// Fetch the logs of a service or task
    Logs(LogsArgs),
}

/// How a command that changes a service waits.
#[derive(Clone, Copy, Debug, Args)]
pub struct WaitArgs {
    /// Exit immediately instead of waiting for the service to converge
    #[arg(short, long)]
    pub detach: bool,
    /// Suppress progress output
    #[arg(short, long)]
    pub quiet: bool,
}

/// `service logs`
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Service or task
    #[arg(value_name = "SERVICE|TASK")]
    pub name: String,
    /// Show extra details provided to logs
    #[arg(long)]
    pub details: bool,
    /// Follow log output
    #[arg(short, long)]
    pub follow: bool,
    /// Do not map IDs to Names in output
    #[arg(long)]
    pub no_resolve: bool,
    /// Do not include task IDs in output
    #[arg(long)]
    pub no_task_ids: bool,
    /// Do not truncate output
    #[arg(long)]
    pub no_trunc: bool,
    /// Do not neatly format logs
    #[arg(long)]
    pub raw: bool,
    /// Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Number of lines to show from the end of the logs of each task
    #[arg(short = 'n', long, value_name = "N", default_value = "all")]
    pub tail: String,
    /// Show timestamps
    #[arg(short, long)]
    pub timestamps: bool,
}

/// `service create`
#[derive(Debug, Args)]
#[command(override_usage = "netctl service create [OPTIONS] IMAGE [COMMAND] [ARG...]")]
pub struct ServiceCreateArgs {
    /// Image, then command and arguments; flags after the image belong to the command
    #[arg(required = true, trailing_var_arg = true, value_name = "IMAGE [COMMAND] [ARG...]")]
    pub image_and_args: Vec<String>,
    /// Service name
    #[arg(long)]
    pub name: Option<String>,
    /// Service mode ("replicated", "global", "replicated-job", "global-job")
    #[arg(long, default_value = "replicated")]
    pub mode: String,
    #[command(flatten)]
    pub lists: AddedLists,
    #[command(flatten)]
    pub flags: ServiceFlags,
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// `service ps`
#[derive(Debug, Args)]
pub struct PsArgs {
    /// Services
    #[arg(required = true, value_name = "SERVICE")]
    pub services: Vec<String>,
    #[command(flatten)]
    pub list: ListArgs,
    /// Do not map IDs to Names
    #[arg(long)]
    pub no_resolve: bool,
}

/// `service scale`
#[derive(Debug, Args)]
pub struct ScaleArgs {
    /// Services and their new number of tasks
    #[arg(required = true, value_name = "SERVICE=REPLICAS")]
    pub scales: Vec<String>,
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// `service rollback`
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// Service whose previous spec comes back
    #[arg(value_name = "SERVICE")]
    pub service: String,
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// `service rebalance`
#[derive(Debug, Args)]
pub struct RebalanceArgs {
    /// Service whose tasks move
    #[arg(value_name = "SERVICE")]
    pub service: String,
    /// How many tasks move at a time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub budget: u32,
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// What changes a spec: single flags, and groups of them by the name of their struct. Whatever takes a spec as it is
/// goes with none of them, so that none is left out in silence.
const CHANGES: [&str; 11] = [
    "image",
    "args",
    "force",
    "ChangedLists",
    "ModeFlags",
    "ContainerFlags",
    "HealthFlags",
    "ResourceFlags",
    "RestartFlags",
    "UpdateFlags",
    "RollbackFlags",
];

/// `service update`: each flag changes its part of the spec and nothing else.
#[derive(Debug, Args)]
pub struct ServiceUpdateArgs {
    /// Service to change
    #[arg(value_name = "SERVICE")]
    pub service: String,
    /// Service image tag
    #[arg(long)]
    pub image: Option<String>,
    /// Service command args
    #[arg(long, value_name = "COMMAND", allow_hyphen_values = true)]
    pub args: Option<String>,
    /// Force update even if no changes require it
    #[arg(long)]
    pub force: bool,
    /// Rollback to previous specification; goes with no flag that changes something
    #[arg(long, conflicts_with_all = CHANGES)]
    pub rollback: bool,
    /// Update a share of the tasks only, which get this share of the new connections: 10% or 0.1
    #[arg(long, value_name = "SHARE", conflicts_with_all = ["rollback", "promote", "abort"])]
    pub canary: Option<String>,
    /// Update all tasks to what the canary is; goes with no flag that changes something
    #[arg(long, conflicts_with_all = CHANGES, conflicts_with_all = ["rollback", "abort"])]
    pub promote: bool,
    /// End the canary: all tasks are what they were before; goes with no flag that changes something
    #[arg(long, conflicts_with_all = CHANGES, conflicts_with = "rollback")]
    pub abort: bool,
    #[command(flatten)]
    pub lists: ChangedLists,
    #[command(flatten)]
    pub flags: ServiceFlags,
    #[command(flatten)]
    pub wait: WaitArgs,
}
