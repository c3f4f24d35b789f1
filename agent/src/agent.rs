//! Starts and ends the parts of the agent, and joins them by channels. Called by the daemon.
//!
//! ```text
//! session --views--> worker --effective view--> network (kernel), resolver
//!    ^------------- statuses, applied sequence number -------------+
//! ```
//!
//! Each part is one task that owns its state; whatever passes between them is a whole value in a watch channel, so that
//! the latest counts and nobody queues.

mod handle;
mod wiring;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use model::GenericResource;
use peer::Hints;
use thiserror::Error;
use tokio::sync::mpsc;

pub use self::handle::{AgentHandle, AgentStatus};
use self::{handle::Parts, wiring::Wires};
use crate::{
    datapath::{DatapathPaths, cgroup2_mount, keep_large_blocks_apart},
    gate::{Gate, Papers},
    identity::Identity,
    network::{Network, NetworkError},
    reconcile,
    runtime::{Runtime, RuntimeError, docker::DockerRuntime},
    session::saved,
};

/// What an agent needs to know.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// The daemon's state; the agent uses `agent/` below it.
    pub data_root: PathBuf,
    /// For what does not outlive a boot: files of tasks, and the gate of their containers. The engine must see it, too.
    pub run_dir: PathBuf,
    /// `unix://PATH` of the engine.
    pub docker_host: String,
    /// Where maps and links are pinned.
    pub bpffs: PathBuf,
    /// cgroup2 directory of the socket hooks; `None`: the mount found in `/proc/mounts`.
    pub cgroup: Option<PathBuf>,
    /// Who this node is.
    pub identity: Identity,
    /// Managers to call, `HOST:PORT`; those that are learned later are kept on disk and called too.
    pub managers: Vec<String>,
    /// Where managers may be, should all that are known have moved.
    pub hints: Hints,
    /// Where others reach this node; the port is that of its manager, should it have one.
    pub addr: SocketAddr,
    /// This node's tunnel endpoint.
    pub vtep: IpAddr,
    /// Resources of this node with operators' names, beside those that the engine was given.
    pub generic_resources: Vec<GenericResource>,
}

/// Why an agent could not start or leave.
#[derive(Debug, Error)]
#[allow(
    missing_docs,
    reason = "the message of each variant says what it and its fields mean"
)]
pub enum AgentError {
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error("cannot open the gate of containers in {folder}: {error}; is there a /dev/fuse (modprobe fuse)?")]
    Gate { folder: PathBuf, error: io::Error },
    #[error("cannot remove {path}: {error}")]
    State { path: PathBuf, error: io::Error },
}

/// Starts agents.
pub struct Agent;

impl Agent {
    /// Starts the node's agent: its session is opened and its programs are loaded, at the same time, so that a kernel
    /// that takes its time costs no heartbeat. An engine that does not answer yet is waited for in the background. An
    /// error leaves nothing running.
    pub async fn start(config: AgentConfig) -> Result<AgentHandle, AgentError> {
        keep_large_blocks_apart();
        let cgroup = match &config.cgroup {
            Some(path) => Some(path.clone()),
            None => cgroup2_mount().unwrap_or_default(),
        };
        let paths = DatapathPaths {
            bpffs: config.bpffs.clone(),
            cgroup,
        };
        let (network, opening) = reconcile::begin(paths)?;
        let report = network.report();
        let runtime = Arc::new(DockerRuntime::new(&config.docker_host));
        let network: Arc<dyn Network> = Arc::new(network);
        let gate = Gate::open(Papers::new(&config.run_dir), network.clone()).map_err(|error| AgentError::Gate {
            folder: config.run_dir.clone(),
            error,
        })?;
        let mut handle = Self::start_with(config, runtime, network).await?;
        handle.gate = Some(gate);
        handle.report = Some(report);
        match opening.done().await {
            Ok(()) => Ok(handle),
            Err(error) => {
                handle.abandon().await;
                Err(error.into())
            }
        }
    }

    /// Starts an agent over this engine and network, with nobody at the gate. Containers that run go on running.
    pub async fn start_with(
        config: AgentConfig,
        runtime: Arc<dyn Runtime>,
        network: Arc<dyn Network>,
    ) -> Result<AgentHandle, AgentError> {
        let found = saved::load(&saved::path(&config.data_root)).filter(|s| s.view.node == config.identity.node);
        let rebooted = found.as_ref().is_some_and(|s| s.boot != saved::boot_id());
        let wires = Wires::new(&config, found);
        let (covers, ordered) = mpsc::channel(1);
        let (session, tasks) = wires.connect(&config, &runtime, &network, (rebooted, ordered));
        let parts = Parts {
            runtime,
            network,
            session,
            tasks,
            covers,
        };
        Ok(AgentHandle::new(config, parts, &wires))
    }
}

#[cfg(test)]
mod tests;
