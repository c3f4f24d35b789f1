//! `netctl service ...`

use clap::{Args, Subcommand, ValueEnum};

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
}

/// How a command that changes a service waits.
#[derive(Clone, Copy, Debug, Args)]
pub struct WaitArgs {
    /// Exit immediately instead of waiting for the service to converge
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true")]
    pub detach: bool,
    /// Suppress progress output
    #[arg(short, long)]
    pub quiet: bool,
}

/// How the service's name is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EndpointModeArg {
    /// By a virtual IP
    Vip,
    /// By the tasks' addresses
    Dnsrr,
}

/// When an ended task is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RestartConditionArg {
    /// Never
    None,
    /// When it failed
    OnFailure,
    /// Always
    Any,
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
    /// Service mode (only "replicated" so far)
    #[arg(long, default_value = "replicated")]
    pub mode: String,
    /// Number of tasks
    #[arg(long)]
    pub replicas: Option<u32>,
    /// Network attachments (NETWORK or name=NETWORK,alias=NAME)
    #[arg(long, value_name = "NETWORK")]
    pub network: Vec<String>,
    /// Publish a port as a node port ([PUBLISHED:]TARGET[/tcp|udp] or published=,target=,protocol=,mode=)
    #[arg(short, long, value_name = "PORT")]
    pub publish: Vec<String>,
    /// Set environment variables
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// Placement constraints
    #[arg(long, value_name = "CONSTRAINT")]
    pub constraint: Vec<String>,
    /// Service labels
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub label: Vec<String>,
    /// Container labels
    #[arg(long, value_name = "KEY=VALUE")]
    pub container_label: Vec<String>,
    /// Container hostname
    #[arg(long)]
    pub hostname: Option<String>,
    /// Endpoint mode
    #[arg(long, value_enum, default_value = "vip")]
    pub endpoint_mode: EndpointModeArg,
    /// Restart when condition is met
    #[arg(long, value_enum, default_value = "any")]
    pub restart_condition: RestartConditionArg,
    /// Delay between restart attempts (ns|us|ms|s|m|h)
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    pub restart_delay: String,
    /// Maximum number of restarts before giving up (0: no limit)
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub restart_max_attempts: u32,
    /// Window used to evaluate the restart policy (ns|us|ms|s|m|h)
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    pub restart_window: String,
    /// Time to wait before force killing a container (ns|us|ms|s|m|h)
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    pub stop_grace_period: String,
    /// Overwrite the default ENTRYPOINT of the image
    #[arg(long, value_name = "COMMAND")]
    pub entrypoint: Option<String>,
    /// Working directory inside the container
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// Username or UID (format: <name|uid>[:<group|gid>])
    #[arg(short, long)]
    pub user: Option<String>,
    /// Send registry authentication details to swarm agents
    #[arg(long)]
    pub with_registry_auth: bool,
    /// Do not query the registry to resolve image digest (netctl never does)
    #[arg(long, hide = true)]
    pub no_resolve_image: bool,
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
    #[arg(long, value_name = "COMMAND")]
    pub args: Option<String>,
    /// Number of tasks
    #[arg(long)]
    pub replicas: Option<u32>,
    /// Add or update an environment variable
    #[arg(long, value_name = "NAME=VALUE")]
    pub env_add: Vec<String>,
    /// Remove an environment variable
    #[arg(long, value_name = "NAME")]
    pub env_rm: Vec<String>,
    /// Add or update a service label
    #[arg(long, value_name = "KEY=VALUE")]
    pub label_add: Vec<String>,
    /// Remove a label by its key
    #[arg(long, value_name = "KEY")]
    pub label_rm: Vec<String>,
    /// Add or update a placement constraint
    #[arg(long, value_name = "CONSTRAINT")]
    pub constraint_add: Vec<String>,
    /// Remove a constraint
    #[arg(long, value_name = "CONSTRAINT")]
    pub constraint_rm: Vec<String>,
    /// Add or update a published port
    #[arg(long, value_name = "PORT")]
    pub publish_add: Vec<String>,
    /// Remove a published port by its target port
    #[arg(long, value_name = "TARGET[/PROTOCOL]")]
    pub publish_rm: Vec<String>,
    /// Send registry authentication details to swarm agents
    #[arg(long)]
    pub with_registry_auth: bool,
    #[command(flatten)]
    pub wait: WaitArgs,
}
