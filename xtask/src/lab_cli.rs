//! `cargo xtask lab`: the lab by hand.

use crate::lab::layout::{CLIENT_ADDRESS, Node};
use crate::lab::place::Place;
use crate::lab::state::{Flavour, Record};
use crate::{binaries, lab};
use anyhow::{Context, Result};
use clap::Subcommand;
use nix::sys::signal::Signal;
use std::os::unix::process::CommandExt;

/// What `cargo xtask lab` can do.
#[derive(Subcommand)]
pub enum LabCommand {
    /// Make nodes with their own engine, an underlay and a client
    Up {
        /// Number of nodes, 1 to 9
        #[arg(long, default_value_t = 3)]
        nodes: u8,
        /// Engines with their defaults (bridge and iptables on), as on a host
        #[arg(long)]
        host_like: bool,
        /// Build the daemons and start netd on every node
        #[arg(long)]
        netd: bool,
    },
    /// Run a program on a node (n1, n2, ...) or on the client
    Exec {
        /// n1, n2, ... or client
        place: String,
        /// The program and its arguments
        #[arg(trailing_var_arg = true, required = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Start, stop or kill (SIGKILL) a node's daemon
    Netd {
        /// What to do
        action: Action,
        /// n1, n2, ...
        node: String,
    },
    /// Show the nodes
    Status,
    /// End everything of the lab and remove it
    Down,
}

/// What to do with a daemon.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Action {
    /// Start it and wait until it answers
    Start,
    /// SIGTERM
    Stop,
    /// SIGKILL
    Kill,
}

/// Carries out one subcommand.
///
/// # Errors
/// As the lab's own functions.
pub fn run(command: LabCommand) -> Result<()> {
    match command {
        LabCommand::Up { nodes, host_like, netd } => {
            up(nodes, if host_like { Flavour::HostLike } else { Flavour::Bare }, netd)
        }
        LabCommand::Exec { place, words } => exec(&place, &words),
        LabCommand::Netd { action, node } => daemon(action, node_named(&node)?),
        LabCommand::Status => lab::status(),
        LabCommand::Down => lab::down(),
    }
}

fn up(nodes: u8, flavour: Flavour, netd: bool) -> Result<()> {
    if netd {
        binaries::build_daemons()?;
    }
    let record = lab::up(nodes, flavour)?;
    if netd {
        Node::first(nodes).try_for_each(|node| lab::netd::start(&record, node))?;
    }
    println!(
        "lab: {nodes} nodes up (n1 is {}), client {CLIENT_ADDRESS}",
        Node(1).address()
    );
    println!("lab: cargo xtask lab exec n1 -- docker ps; cargo xtask lab down");
    Ok(())
}

/// Becomes the program: exit code, signals and terminal are its own.
fn exec(place: &str, words: &[String]) -> Result<()> {
    let place = if place == "client" {
        Place::Client
    } else {
        Place::Node(node_named(place)?)
    };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut command = place.command(&Record::load()?, &words)?;
    Err(command.exec()).context("starting nsenter")
}

fn daemon(action: Action, node: Node) -> Result<()> {
    match action {
        Action::Start => lab::netd::start(&Record::load()?, node),
        Action::Stop => lab::netd::end(node, Signal::SIGTERM),
        Action::Kill => lab::netd::end(node, Signal::SIGKILL),
    }
}

fn node_named(name: &str) -> Result<Node> {
    Node::named(name).with_context(|| format!("no node {name}: nodes are n1, n2, ..."))
}
