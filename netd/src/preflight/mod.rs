//! What must hold before a node enters a cluster. Each refusal names what is in the way and what helps; nothing is
//! changed here.

mod kernel;
mod ports;

use agent::runtime::EngineFacts;
use thiserror::Error;

pub use kernel::{capabilities, release, version};
pub use ports::{control_port, data_port};

/// Why this host cannot enter a cluster now.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(
    missing_docs,
    reason = "the message of each variant says what it and its fields mean"
)]
pub enum Unfit {
    #[error("kernel {0} is too old: netctl needs Linux 6.1 or later")]
    Kernel(String),
    #[error("netd lacks {}: run it as root, in a container with --privileged", .0.join(", "))]
    Capabilities(Vec<&'static str>),
    #[error(
        "the container engine is itself part of a swarm: make it leave that swarm (docker swarm leave, on a manager docker swarm leave --force) and try again"
    )]
    EngineInSwarm,
    #[error("port {port}/tcp is in use on this host{holder}: choose another with --listen-addr ADDRESS:PORT")]
    ControlPort { port: u16, holder: String },
    #[error("port {port}/udp, for data path traffic, is in use on this host{holder}: {way_out}")]
    DataPort {
        port: u16,
        holder: String,
        way_out: &'static str,
    },
}

/// The engine must be one that nobody else clusters.
pub fn engine(facts: &EngineFacts) -> Result<(), Unfit> {
    match facts.in_swarm_mode {
        true => Err(Unfit::EngineInSwarm),
        false => Ok(()),
    }
}
