//! `netctl secret ...` and `netctl config ...`: the same commands for both. Their help is written for secrets.

use clap::{Args, Command, Subcommand, builder::StyledStr};

use super::{InspectArgs, ListArgs, RemoveArgs};

/// The second word after `secret` or `config`.
#[derive(Debug, Subcommand)]
pub enum PayloadCommand {
    /// Create a secret from a file or STDIN as content
    Create(PayloadCreateArgs),
    /// Display detailed information on one or more secrets
    Inspect(InspectArgs),
    /// List secrets
    #[command(visible_alias = "list")]
    Ls(ListArgs),
    /// Remove one or more secrets
    #[command(visible_alias = "remove")]
    Rm(RemoveArgs),
    /// Put other content under the name of a secret; the services that use it are updated
    Update(PayloadUpdateArgs),
}

/// `config` with its help about configs.
pub fn of_configs(command: Command) -> Command {
    let words = |text: &StyledStr| text.to_string().replace("secret", "config").replace("Secret", "Config");
    command.mut_subcommands(|command| {
        let about = command.get_about().map(words);
        command.about(about.unwrap_or_default()).mut_args(|arg| {
            let help = arg.get_help().map(words);
            arg.help(help.unwrap_or_default())
        })
    })
}

/// `secret create`, `config create`
#[derive(Debug, Args)]
pub struct PayloadCreateArgs {
    /// Name of the secret
    pub name: String,
    /// Where its content is; "-": standard input
    #[arg(value_name = "FILE|-")]
    pub file: Option<String>,
    /// Secret labels
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
    /// Name or ID of the secret
    pub name: String,
    /// Where its new content is; "-": standard input
    #[arg(value_name = "FILE|-")]
    pub file: String,
}
