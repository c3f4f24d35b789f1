//! `netctl stack ...`

use clap::{Args, Subcommand};

use super::ListArgs;

/// The second word after `stack`.
#[derive(Debug, Subcommand)]
pub enum StackCommand {
    /// Deploy a new stack or update an existing stack
    #[command(visible_alias = "up")]
    Deploy(StackDeployArgs),
    /// List stacks
    #[command(visible_alias = "list")]
    Ls(ListArgs),
    /// List the tasks in the stack
    Ps(StackListArgs),
    /// List the services in the stack
    Services(StackListArgs),
    /// Remove one or more stacks
    #[command(visible_aliases = ["remove", "down"])]
    Rm(StackRemoveArgs),
}

/// `stack deploy`
#[derive(Debug, Args)]
pub struct StackDeployArgs {
    /// Name of the stack
    pub stack: String,
    /// Path to a Compose file, or "-" to read from stdin
    #[arg(short, long, required = true, value_name = "FILE")]
    pub compose_file: String,
    /// Prune services that are no longer referenced
    #[arg(long)]
    pub prune: bool,
    /// Exit immediately instead of waiting for the stack services to converge
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true")]
    pub detach: bool,
    /// Suppress progress output
    #[arg(short, long)]
    pub quiet: bool,
    /// Send registry authentication details to Swarm agents
    #[arg(long)]
    pub with_registry_auth: bool,
}

/// `stack ps`, `stack services`
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
}
