//! One function per command: from arguments to what is printed.

mod backup;
mod ca;
mod cluster;
mod converge;
mod events;
pub mod fetch;
mod info;
mod inspect;
mod lock;
mod logs;
mod network;
mod node;
mod payload;
mod progress;
mod remove;
mod screen;
mod service;
mod stack;
mod status;
mod why;

use model::PayloadKind;
use remove::{Kind, remove};

use crate::{
    args::{Cli, Command, DatapathCommand, NetworkCommand, NodeCommand, ServiceCommand, StackCommand, SwarmCommand},
    client::{Client, DEFAULT_HOST, HOST_VARIABLE},
    failure::Failure,
};

/// Runs the command that was typed.
pub async fn run(cli: Cli) -> Result<(), Failure> {
    let from_environment = || std::env::var(HOST_VARIABLE).ok().filter(|host| !host.is_empty());
    let host = cli.host.or_else(from_environment);
    let host = host.as_deref().unwrap_or(DEFAULT_HOST);
    match cli.command {
        Command::Version(args) => info::version(host, &args).await,
        Command::Rm { names } => Err(rm_hint(&names)),
        // Told and ended by the parser.
        Command::Other(_) => Ok(()),
        command => connected(command, &mut Client::connect(host).await?).await,
    }
}

async fn connected(command: Command, client: &mut Client) -> Result<(), Failure> {
    match command {
        Command::Swarm(command) => match command {
            SwarmCommand::Init(args) => cluster::init(client, &args).await,
            SwarmCommand::Join(args) => cluster::join(client, &args).await,
            SwarmCommand::JoinToken(args) => cluster::join_token(client, &args).await,
            SwarmCommand::Backup(args) => backup::backup(client, &args).await,
            SwarmCommand::Restore(args) => backup::restore(client, &args).await,
            SwarmCommand::JoinAddr(args) => cluster::join_addr(client, &args).await,
            SwarmCommand::Leave(args) => cluster::leave(client, &args).await,
            SwarmCommand::Ca(args) => ca::ca(client, &args).await,
            SwarmCommand::Update(args) => cluster::update(client, &args).await,
            SwarmCommand::Unlock => lock::unlock(client).await,
            SwarmCommand::UnlockKey(args) => lock::unlock_key(client, &args).await,
        },
        Command::Node(command) => match command {
            NodeCommand::Ls(args) => node::list(client, &args).await,
            NodeCommand::Inspect(args) => inspect::nodes(client, &args).await,
            NodeCommand::Ps(args) => node::tasks(client, &args).await,
            NodeCommand::Rm(args) => remove(client, Kind::Node, &args.names, args.force).await,
            NodeCommand::Promote(args) => node::promote(client, &args).await,
            NodeCommand::Demote(args) => node::demote(client, &args).await,
            NodeCommand::Update(args) => node::update(client, &args).await,
        },
        Command::Network(command) => match command {
            NetworkCommand::Create(args) => network::create(client, &args).await,
            NetworkCommand::Ls(args) => network::list(client, &args).await,
            NetworkCommand::Inspect(args) => inspect::networks(client, &args).await,
            NetworkCommand::Rm(args) => remove(client, Kind::Network, &args.names, args.force).await,
        },
        Command::Service(command) => match command {
            ServiceCommand::Create(args) => service::create(client, &args).await,
            ServiceCommand::Ls(args) => service::list(client, &args).await,
            ServiceCommand::Ps(args) => service::tasks(client, &args).await,
            ServiceCommand::Inspect(args) => inspect::services(client, &args).await,
            ServiceCommand::Scale(args) => service::scale(client, &args).await,
            ServiceCommand::Rm(args) => remove(client, Kind::Service, &args.names, false).await,
            ServiceCommand::Update(args) => service::update(client, &args).await,
            ServiceCommand::Rollback(args) => service::rollback(client, &args.service, args.wait).await,
            ServiceCommand::Rebalance(args) => service::rebalance(client, &args).await,
            ServiceCommand::Logs(args) => logs::logs(client, &args).await,
        },
        Command::Secret(command) => payload::run(client, PayloadKind::Secret, command).await,
        Command::Config(command) => payload::run(client, PayloadKind::Config, command).await,
        Command::Stack(command) => match command {
            StackCommand::Deploy(args) => stack::deploy(client, &args).await,
            StackCommand::Ls(args) => stack::list(client, &args).await,
            StackCommand::Ps(args) => stack::tasks(client, &args).await,
            StackCommand::Services(args) => stack::services(client, &args).await,
            StackCommand::Rm(args) => stack::remove(client, &args).await,
        },
        Command::Why(args) => why::why(client, &args).await,
        Command::Status(args) => status::status(client, &args).await,
        Command::Events(args) => events::events(client, &args).await,
        Command::Info(args) => info::info(client, &args).await,
        Command::Inspect(args) => inspect::any(client, &args).await,
        Command::Datapath(DatapathCommand::Dump(args)) => info::datapath(client, &args).await,
        Command::Version(_) | Command::Rm { .. } | Command::Other(_) => Ok(()),
    }
}

/// Some tutorials write `docker rm NODE`.
fn rm_hint(names: &[String]) -> Failure {
    let names = names.join(" ");
    let names = if names.is_empty() { "NAME" } else { &names };
    Failure::Wrong(format!(
        "netctl rm: say what is to be removed: 'netctl node rm {names}', 'netctl service rm {names}' or 'netctl network rm {names}'"
    ))
}
