//! What was typed. Flags, value names and help words are docker's.

mod cluster;
mod events;
mod network;
mod node;
mod payload;
mod service;
mod stack;
mod switch;
mod unbuilt;

use std::{ffi::OsString, process::ExitCode};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, error::ErrorKind};

pub use cluster::{
    BackupArgs, CaArgs, InitArgs, JoinAddrArgs, JoinArgs, JoinTokenArgs, LeaveArgs, RestoreArgs, SettingsArgs,
    SwarmCommand, TokenRole, UnlockKeyArgs, UpdateArgs,
};
pub use events::EventsArgs;
pub use network::{NetworkCommand, NetworkCreateArgs};
pub use node::{AvailabilityArg, NodeCommand, NodePsArgs, NodeRefs, NodeUpdateArgs};
pub use payload::{PayloadCommand, PayloadCreateArgs, PayloadUpdateArgs};
pub use service::{
    ContainerFlags, Edit, Edits, EndpointModeArg, FailureActionArg, HealthFlags, LogsArgs, ModeFlags, OrderArg, PsArgs,
    PullArg, RebalanceArgs, ResourceFlags, RestartConditionArg, RestartFlags, RollbackFlags, ScaleArgs, ServiceCommand,
    ServiceCreateArgs, ServiceFlags, ServiceUpdateArgs, UpdateFlags, WaitArgs,
};
pub use stack::{
    ResolveImageArg, StackCommand, StackDeployArgs, StackListArgs, StackRemoveArgs, StackServicesArgs, StacksArgs,
};

use crate::terminal;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "netctl",
    version,
    about = "A container orchestrator for Linux hosts, as simple as Docker Swarm mode",
    after_help = unbuilt::HELP,
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// Daemon socket to connect to [env: NETCTL_HOST] [default: unix:///run/netctl/netctl.sock]
    // Before the command only, as docker's: some commands have a flag --host of their own.
    #[arg(short = 'H', long, value_name = "HOST")]
    pub host: Option<String>,
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Reads the words of a command line.
    pub fn read<W: Into<OsString> + Clone>(words: impl IntoIterator<Item = W>) -> Result<Self, clap::Error> {
        let mut command = command();
        let found = command.try_get_matches_from_mut(words)?;
        Self::from_arg_matches(&found).map_err(|error| error.format(&mut command))
    }
}

fn command() -> clap::Command {
    switch::as_docker(Cli::command().mut_subcommand("config", payload::of_configs))
}

/// The first word.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Manage Swarm
    #[command(subcommand)]
    Swarm(SwarmCommand),
    /// Manage Swarm nodes
    #[command(subcommand)]
    Node(NodeCommand),
    /// Manage networks
    #[command(subcommand)]
    Network(NetworkCommand),
    /// Manage Swarm services
    #[command(subcommand)]
    Service(ServiceCommand),
    /// Manage Swarm secrets
    #[command(subcommand)]
    Secret(PayloadCommand),
    /// Manage Swarm configs
    #[command(subcommand)]
    Config(PayloadCommand),
    /// Manage Swarm stacks
    #[command(subcommand)]
    Stack(StackCommand),
    /// Display system-wide information
    Info(FormatArgs),
    /// Get real time events from the swarm
    Events(EventsArgs),
    /// Show whether the cluster is healthy; exit code 1 if it is not
    Status(StatusArgs),
    /// Say why a service or task does not run as wished, and the way out
    Why(WhyArgs),
    /// Show the netctl version information
    Version(FormatArgs),
    /// Return low-level information on objects
    Inspect(InspectAnyArgs),
    /// Point to the command that removes what you mean
    #[command(hide = true)]
    Rm {
        /// Nodes, as some tutorials write it
        names: Vec<String>,
    },
    /// What the datapath has in the kernel of this node
    #[command(subcommand, hide = true)]
    Datapath(DatapathCommand),
    /// Anything else
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

/// `netctl datapath ...`
#[derive(Debug, Subcommand)]
pub enum DatapathCommand {
    /// Print counts of map rows, links and programs
    Dump(FormatArgs),
}

/// `--format` alone.
#[derive(Debug, Args)]
pub struct FormatArgs {
    /// Format output: "json" or a template like "{{.Field}}"
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
}

/// `netctl why`
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// Service, or a task by its id
    #[arg(value_name = "SERVICE|TASK")]
    pub name: String,
    /// Format output: "json"
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
}

/// `netctl status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Wait until all is well
    #[arg(long)]
    pub wait: bool,
    /// How long to wait at most
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    pub wait_duration: String,
    /// Format output: "json" or a template like "{{.Field}}"
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
}

/// What every `ls` takes.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub filter: Vec<String>,
    /// Format output: "table", "json" or a template like "{{.Name}}"
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Only display IDs
    #[arg(short, long)]
    pub quiet: bool,
    /// Do not truncate the output
    #[arg(long)]
    pub no_trunc: bool,
}

/// What every `inspect` takes.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// IDs, unique prefixes of them, or names
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Format output: "json" or a template like "{{.ID}}"
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Print the information in a human friendly format
    #[arg(long)]
    pub pretty: bool,
}

/// `netctl inspect`.
#[derive(Debug, Args)]
pub struct InspectAnyArgs {
    /// IDs, unique prefixes of them, or names
    #[arg(required = true, value_name = "NAME|ID")]
    pub names: Vec<String>,
    /// Format output: "json" or a template like "{{.ID}}"
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Only objects of this type: service, network, node or task
    #[arg(long, value_name = "TYPE")]
    pub r#type: Option<String>,
}

/// What every `rm` takes.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// IDs, unique prefixes of them, or names
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
}

/// Parses the command line; on an error prints it and gives the exit code: 0 for help and version, 1 for what is not
/// built yet, 2 for what was not understood.
pub fn parse(words: Vec<OsString>) -> Result<Cli, ExitCode> {
    let error = match Cli::read(&words) {
        Ok(cli) => match &cli.command {
            Command::Other(rest) => return Err(unbuilt::unknown_word(rest)),
            _ => return Ok(cli),
        },
        Err(error) => error,
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            terminal::show(&error.render().to_string());
            return Err(ExitCode::SUCCESS);
        }
        _ => {}
    }
    if let Some(what) = unbuilt::named_in(&error, &words) {
        terminal::complain(&format!("{what}: not built yet"));
        return Err(ExitCode::FAILURE);
    }
    terminal::complain(error.render().to_string().trim_end());
    Err(ExitCode::from(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn secrets_and_configs_have_their_own_help() {
        for (kind, other) in [("secret", "config"), ("config", "secret")] {
            for words in [format!("netctl {kind} --help"), format!("netctl {kind} create --help")] {
                let help = Cli::read(words.split(' ')).unwrap_err().to_string().to_lowercase();
                assert!(help.contains(&format!("{kind} from a file or stdin")), "{help}");
                assert!(!help.contains(other), "{help}");
            }
        }
    }

    #[test]
    fn truth_values_may_be_given_and_the_last_of_a_flag_counts() {
        for line in [
            "swarm init --autolock=true",
            "network create --attachable=true --internal=false x",
            "service update --force=true web",
            "service create --with-registry-auth=true web",
            "stack deploy --prune=1 -c a.yml shop",
            "swarm ca --detach=f",
            "swarm update --autolock --allow-privileged=false",
            "service ls -q=false",
        ] {
            let read = Cli::read(format!("netctl {line}").split(' '));
            assert!(read.is_ok(), "{line}: {read:?}");
        }
        assert!(Cli::read(["netctl", "service", "ls", "-q=maybe"]).is_err());
        let files = Cli::read("netctl stack deploy -c a.yml,b.yml -c c.yml shop".split(' '));
        let Command::Stack(StackCommand::Deploy(args)) = files.unwrap().command else {
            panic!("stack deploy")
        };
        assert_eq!(args.compose_file, ["a.yml", "b.yml", "c.yml"]);
        let read = |line: &str| match Cli::read(line.split(' ')).unwrap().command {
            Command::Service(ServiceCommand::Update(args)) => args,
            other => panic!("{other:?}"),
        };
        let args = read("netctl service update --force --force=0 --replicas 2 --replicas 3 --tty -dq web");
        assert!(!args.force && args.wait.detach && args.wait.quiet);
        assert_eq!(
            (args.flags.mode.replicas, args.flags.container.tty),
            (Some(3), Some(true))
        );
        assert_eq!((args.flags.container.init, args.rollback), (None, false));
    }

    #[test]
    fn the_daemons_host_is_not_that_of_a_container() {
        let read = |line: &str| {
            let cli = Cli::read(line.split(' ')).unwrap();
            let Command::Service(ServiceCommand::Create(args)) = cli.command else {
                panic!("service create")
            };
            (cli.host, args.lists.host)
        };
        let mapped = vec!["db:192.0.2.1".to_owned()];
        assert_eq!(
            read("netctl service create --host db:192.0.2.1 web:1"),
            (None, mapped.clone())
        );
        assert_eq!(
            read("netctl -H unix:///x service create --host db:192.0.2.1 web:1"),
            (Some("unix:///x".to_owned()), mapped)
        );
        assert_eq!(
            read("netctl --host unix:///x service create web:1"),
            (Some("unix:///x".to_owned()), Vec::new())
        );
    }

    #[test]
    fn a_stack_is_not_waited_for_unless_that_is_asked_for() {
        let detach = |line: &str| match Cli::read(line.split(' ')).unwrap().command {
            Command::Stack(StackCommand::Rm(args)) => args.detach,
            other => panic!("{other:?}"),
        };
        assert_eq!(detach("netctl stack rm shop"), None);
        assert_eq!(detach("netctl stack rm -d shop"), Some(true));
        assert_eq!(detach("netctl stack rm --detach=false shop"), Some(false));
    }

    #[test]
    fn what_is_not_built_exits_1_and_what_is_not_understood_2() {
        let code = |line: &str| parse(line.split(' ').map(OsString::from).collect()).err();
        let text = |code| format!("{code:?}");
        for line in [
            "netctl plan",
            "netctl kube apply",
            "netctl stack config",
            "netctl network create --config-only x",
            "netctl network inspect -v x",
            "netctl network inspect --verbose x",
            "netctl swarm init --encrypt",
        ] {
            assert_eq!(text(code(line)), text(Some(ExitCode::from(1))), "{line}");
        }
        for line in [
            "netctl frobnicate",
            "netctl service frobnicate",
            "netctl service ls --colour",
        ] {
            assert_eq!(text(code(line)), text(Some(ExitCode::from(2))), "{line}");
        }
        assert_eq!(text(code("netctl service ls")), text(None));
    }
}
