//! `netctl secret ...` and `netctl config ...`: the same words for both.

use clap::{Args, Subcommand};

use super::{InspectArgs, ListArgs, RemoveArgs};

/// The second word after `secret` or `config`.
#[derive(Debug, Subcommand)]
pub enum PayloadCommand {
    /// Create one from a file or from STDIN
    Create(PayloadCreateArgs),
    /// Display detailed information on one or more
    Inspect(InspectArgs),
    /// List them
    #[command(visible_alias = "list")]
    Ls(ListArgs),
    /// Remove one or more
    #[command(visible_alias = "remove")]
    Rm(RemoveArgs),
    /// Put other content under the name; the services that use it are updated
    Update(PayloadUpdateArgs),
}

/// `secret create`, `config create`
#[derive(Debug, Args)]
pub struct PayloadCreateArgs {
    /// Its name
    pub name: String,
    /// Where its content is; "-": standard input
    #[arg(value_name = "FILE|-")]
    pub file: Option<String>,
    /// Labels
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub label: Vec<String>,
    /// Template driver ("golang": filled in for each task)
    #[arg(long, value_name = "DRIVER")]
    pub template_driver: Option<String>,
    /// Secret driver (drivers are not supported: refused)
    #[arg(short, long, hide = true)]
    pub driver: Option<String>,
}

/// `secret update`, `config update`
#[derive(Debug, Args)]
pub struct PayloadUpdateArgs {
    /// Name or id
    pub name: String,
    /// Where its new content is; "-": standard input
    #[arg(value_name = "FILE|-")]
    pub file: String,
}
