//! `netctl stack ...`

use clap::{Args, Subcommand, ValueEnum};

use super::ListArgs;

/// The second word after `stack`.
#[derive(Debug, Subcommand)]
pub enum StackCommand {
    /// Deploy a new stack or update an existing stack
    #[command(visible_alias = "up")]
    Deploy(StackDeployArgs),
    /// List stacks
    #[command(visible_alias = "list")]
    Ls(StacksArgs),
    /// List the tasks in the stack
    Ps(StackListArgs),
    /// List the services in the stack
    Services(StackServicesArgs),
    /// Remove one or more stacks
    #[command(visible_aliases = ["remove", "down"])]
    Rm(StackRemoveArgs),
}

/// `stack deploy`
#[derive(Debug, Args)]
pub struct StackDeployArgs {
    /// Name of the stack
    pub stack: String,
    /// Path to a Compose file, or "-" to read from stdin; of several, later ones change what earlier ones say
    #[arg(short, long, required = true, value_name = "FILE", value_delimiter = ',')]
    pub compose_file: Vec<String>,
    /// Prune services that are no longer referenced
    #[arg(long)]
    pub prune: bool,
    /// Exit immediately instead of waiting for the stack services to converge
    #[arg(short, long)]
    pub detach: bool,
    /// Suppress progress output
    #[arg(short, long)]
    pub quiet: bool,
    /// Send registry authentication details to Swarm agents
    #[arg(long)]
    pub with_registry_auth: bool,
    /// Query the registry to resolve image digests (netctl never does, and says so)
    #[arg(long, value_enum, hide = true)]
    pub resolve_image: Option<ResolveImageArg>,
}

/// When docker asks registries which image a tag names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ResolveImageArg {
    /// With each deployment
    Always,
    /// If the service names another image
    Changed,
    /// Not at all
    Never,
}

/// `stack ls`
#[derive(Debug, Args)]
pub struct StacksArgs {
    /// Format output: "table", "json" or a template like "{{.Name}}"
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}

/// `stack services`
#[derive(Debug, Args)]
pub struct StackServicesArgs {
    /// Name of the stack
    pub stack: String,
    #[command(flatten)]
    pub list: ListArgs,
}

/// `stack ps`
#[derive(Debug, Args)]
pub struct StackListArgs {
    /// Name of the stack
    pub stack: String,
    #[command(flatten)]
    pub list: ListArgs,
    /// Do not map IDs to Names
    #[arg(long)]
    pub no_resolve: bool,
}

/// `stack rm`
#[derive(Debug, Args)]
pub struct StackRemoveArgs {
    /// Names of the stacks
    #[arg(required = true, value_name = "STACK")]
    pub stacks: Vec<String>,
    /// Do not wait until the tasks have ended [default: true]
    #[arg(short, long)]
    pub detach: Option<bool>,
}
