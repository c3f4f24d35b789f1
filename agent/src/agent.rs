//! Starts and ends the parts of the agent, and joins them by channels. Called by the daemon.
//!
//!     session --views--> worker --effective view--> network (kernel), resolver
//!        ^------------- statuses, applied sequence number -------------'
//!
//! Each part is one task that owns its state; whatever passes between them is a whole value in a watch channel, so that
//! the latest counts and nobody queues.

use std::{io, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use model::NodeView;
use thiserror::Error;
use tokio::{sync::watch, task::JoinHandle};
use wire::pb::{self, dispatcher_client::DispatcherClient};

use crate::{
    datapath::{DatapathPaths, cgroup2_mount},
    dns::{self, Resolver},
    identity::Identity,
    network::{Network, NetworkError},
    plugin::Plugin,
    reconcile::{self, Report},
    runtime::{Runtime, RuntimeError, docker::DockerRuntime},
    session::{self, Manager, SessionState, describe, saved},
    worker::{self, CurrentView},
};

/// Before a pass that failed is tried again.
const RECONCILE_RETRY: Duration = Duration::from_secs(1);
/// Longest wait for a manager to hear that this node leaves.
const FAREWELL: Duration = Duration::from_secs(3);

/// What an agent needs to know.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// The daemon's state; the agent uses `agent/` below it.
    pub data_root: PathBuf,
    /// `unix://PATH` of the engine.
    pub docker_host: String,
    /// Where the engine looks for network drivers.
    pub plugin_dir: PathBuf,
    /// Where maps and links are pinned.
    pub bpffs: PathBuf,
    /// cgroup2 directory of the socket hooks; `None`: the mount found in `/proc/mounts`.
    pub cgroup: Option<PathBuf>,
    /// Who this node is.
    pub identity: Identity,
    /// Managers to call, `HOST:PORT`; those that are learned later are kept on disk and called too.
    pub managers: Vec<String>,
    /// This node's tunnel endpoint.
    pub vtep: IpAddr,
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
    #[error("cannot serve the network driver in {folder}: {error}")]
    Plugin { folder: PathBuf, error: io::Error },
    #[error("cannot remove {path}: {error}")]
    State { path: PathBuf, error: io::Error },
}

/// How the agent is, for `info` and `status`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentStatus {
    /// Session with the managers.
    pub session: SessionState,
    /// Managers as last told, `HOST:PORT`.
    pub managers: Vec<Manager>,
    /// Sequence number of the last view that the kernel has; 0: none.
    pub applied_seq: u64,
    /// Engine version; empty until it answered.
    pub engine_version: String,
    /// What an operator should know.
    pub warnings: Vec<String>,
}

/// A running agent. Dropping it stops the tasks and leaves everything that they made running.
pub struct AgentHandle {
    config: AgentConfig,
    runtime: Arc<dyn Runtime>,
    network: Arc<dyn Network>,
    plugin: Plugin,
    tasks: Vec<JoinHandle<()>>,
    session: watch::Receiver<SessionState>,
    managers: watch::Receiver<Vec<Manager>>,
    applied: watch::Receiver<u64>,
    effective: watch::Receiver<Option<Arc<NodeView>>>,
    description: watch::Receiver<Option<model::NodeDescription>>,
    report: Option<watch::Receiver<Report>>,
}

/// Starts agents.
pub struct Agent;

impl Agent {
    /// Starts the node's agent: its programs are loaded, its session is opened. An engine that does not answer yet is
    /// waited for in the background.
    pub async fn start(config: AgentConfig) -> Result<AgentHandle, AgentError> {
        let cgroup = match &config.cgroup {
            Some(path) => Some(path.clone()),
            None => cgroup2_mount().unwrap_or_default(),
        };
        let paths = DatapathPaths {
            bpffs: config.bpffs.clone(),
            cgroup,
        };
        let network = tokio::task::spawn_blocking(move || reconcile::start(paths)).await;
        let network = network.map_err(|e| NetworkError(e.to_string()))??;
        let report = network.report();
        let runtime = Arc::new(DockerRuntime::new(&config.docker_host));
        let mut handle = Self::start_with(config, runtime, Arc::new(network)).await?;
        handle.report = Some(report);
        Ok(handle)
    }

    /// Starts an agent over this engine and network. Containers that run go on running.
    pub async fn start_with(
        config: AgentConfig,
        runtime: Arc<dyn Runtime>,
        network: Arc<dyn Network>,
    ) -> Result<AgentHandle, AgentError> {
        // First of all: the engine may be about to start containers that need it.
        let plugin = Plugin::serve(&config.plugin_dir, network.clone()).map_err(|error| AgentError::Plugin {
            folder: config.plugin_dir.clone(),
            error,
        })?;
        let found = saved::load(&saved::path(&config.data_root)).filter(|s| s.view.node == config.identity.node);
        let rebooted = found.as_ref().is_some_and(|s| s.boot != saved::boot_id());
        let wires = Wires::new(&config, found);
        let tasks = wires.connect(&config, &runtime, &network, rebooted);
        Ok(AgentHandle {
            runtime,
            network,
            plugin,
            tasks,
            session: wires.session.subscribe(),
            managers: wires.managers.subscribe(),
            applied: wires.applied.subscribe(),
            effective: wires.effective.subscribe(),
            description: wires.description.subscribe(),
            report: None,
            config,
        })
    }
}

/// The channels between the parts.
struct Wires {
    views: watch::Sender<Option<CurrentView>>,
    effective: watch::Sender<Option<Arc<NodeView>>>,
    applied: watch::Sender<u64>,
    statuses: watch::Sender<worker::Statuses>,
    managers: watch::Sender<Vec<Manager>>,
    session: watch::Sender<SessionState>,
    description: watch::Sender<Option<model::NodeDescription>>,
}

impl Wires {
    fn new(config: &AgentConfig, found: Option<saved::Saved>) -> Self {
        let mut managers = config.managers.clone();
        managers.extend(found.iter().flat_map(|s| s.managers.iter().cloned()));
        let mut known: Vec<Manager> = Vec::new();
        for addr in managers {
            if known.iter().all(|m| m.addr != addr) {
                known.push(Manager { addr, leader: false });
            }
        }
        let view = found.map(|s| CurrentView {
            view: Arc::new(s.view),
            confirmed: false,
        });
        Self {
            views: watch::Sender::new(view),
            effective: watch::Sender::new(None),
            applied: watch::Sender::new(0),
            statuses: watch::Sender::default(),
            managers: watch::Sender::new(known),
            session: watch::Sender::default(),
            description: watch::Sender::new(None),
        }
    }

    fn connect(
        &self,
        config: &AgentConfig,
        runtime: &Arc<dyn Runtime>,
        network: &Arc<dyn Network>,
        rebooted: bool,
    ) -> Vec<JoinHandle<()>> {
        let worker = worker::Ports {
            views: self.views.subscribe(),
            applied: self.applied.subscribe(),
            effective: self.effective.clone(),
            statuses: self.statuses.clone(),
        };
        let session = session::Ports {
            identity: config.identity.clone(),
            description: self.description.subscribe(),
            statuses: self.statuses.subscribe(),
            applied: self.applied.subscribe(),
            views: self.views.clone(),
            managers: self.managers.clone(),
            state: self.session.clone(),
        };
        let path = saved::path(&config.data_root);
        let resolver = Resolver::new(self.effective.subscribe(), network.dns_clients());
        vec![
            tokio::spawn(feed(network.clone(), self.effective.subscribe(), self.applied.clone())),
            worker::spawn(runtime.clone(), worker, rebooted),
            describe::spawn(runtime.clone(), config.vtep, self.description.clone()),
            saved::keep(path, self.views.subscribe(), self.managers.subscribe()),
            session::spawn(session),
            dns::serve(resolver),
        ]
    }
}

/// Brings every effective view into the kernel; the latest wins, a failed one is tried again.
async fn feed(
    network: Arc<dyn Network>,
    mut effective: watch::Receiver<Option<Arc<NodeView>>>,
    applied: watch::Sender<u64>,
) {
    loop {
        let view = effective.borrow_and_update().clone();
        let mut failed = false;
        if let Some(view) = view {
            match network.reconcile(view.clone()).await {
                Ok(()) => drop(applied.send_replace(view.seq)),
                Err(error) => {
                    tracing::error!(%error, seq = view.seq, "the network is not as it should be");
                    failed = true;
                }
            }
        }
        let changed = effective.changed();
        let outcome = if failed {
            tokio::time::timeout(RECONCILE_RETRY, changed).await.unwrap_or(Ok(()))
        } else {
            changed.await
        };
        if outcome.is_err() {
            return;
        }
    }
}

impl AgentHandle {
    /// How it is.
    pub fn status(&self) -> AgentStatus {
        let mut warnings = self
            .report
            .as_ref()
            .map(|r| r.borrow().problems.clone())
            .unwrap_or_default();
        let description = self.description.borrow();
        if let (Some(description), Some(view)) = (&*description, &*self.effective.borrow()) {
            let ports = view.services.iter().flat_map(|s| s.ports.iter().map(move |p| (s, p)));
            for (service, port) in ports {
                let same = |h: &&model::HeldPort| (h.port, h.protocol) == (port.published, port.protocol);
                if let Some(held) = description.held_ports.iter().find(same) {
                    warnings.push(format!(
                        "port {}/{} of service {} is held on this node by {}: it is not captured here",
                        port.published, port.protocol, service.name, held.holder
                    ));
                }
            }
        }
        AgentStatus {
            session: self.session.borrow().clone(),
            managers: self.managers.borrow().clone(),
            applied_seq: *self.applied.borrow(),
            engine_version: description
                .as_ref()
                .map(|d| d.engine_version.clone())
                .unwrap_or_default(),
            warnings,
        }
    }

    /// What is in the kernel, by name.
    pub async fn counts(&self) -> Result<Vec<(String, u64)>, NetworkError> {
        self.network.counts().await
    }

    /// Stops the agent; containers and forwarding go on.
    pub async fn shutdown(self) {
        end(self.tasks).await;
    }

    /// Takes the node out of service: tells the managers, removes all our containers and engine networks, takes
    /// everything out of the kernel, forgets the saved view. The identity is the daemon's to remove.
    pub async fn leave(self) -> Result<(), AgentError> {
        let farewell = tokio::time::timeout(FAREWELL, farewell(&self.config.identity, self.session.borrow().clone()));
        let _ = farewell.await;
        end(self.tasks).await;
        // The kernel can be cleaned without an engine, too.
        let emptied = empty(&*self.runtime).await;
        let detached = self.network.detach_all().await;
        // Last: the engine calls it while containers and networks go.
        self.plugin.stop();
        emptied?;
        detached?;
        let path = self.config.data_root.join("agent");
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(AgentError::State { path, error }),
            _ => Ok(()),
        }
    }
}

/// Removes all our containers and the engine's side of our networks.
async fn empty(runtime: &dyn Runtime) -> Result<(), RuntimeError> {
    let ours = runtime.list().await?;
    futures::future::try_join_all(ours.iter().map(|found| runtime.remove(&found.container.id))).await?;
    runtime.prune_networks(&[]).await
}

async fn end(tasks: Vec<JoinHandle<()>>) {
    for task in &tasks {
        task.abort();
    }
    // What an aborted task holds (sockets, channels) is free only once it has ended.
    futures::future::join_all(tasks).await;
}

/// Best effort: managers notice a silent node anyway.
async fn farewell(identity: &Identity, session: SessionState) {
    let Some(manager) = session.manager else { return };
    let left = async {
        let channel = identity.connect(&manager).await.map_err(|e| e.to_string())?;
        let request = pb::LeaveClusterRequest {};
        let reply = DispatcherClient::new(channel).leave(request).await;
        reply.map(|_| ()).map_err(|status| status.message().to_owned())
    };
    if let Err(reason) = left.await {
        tracing::warn!(%manager, %reason, "the managers may not have heard that this node leaves");
    }
}
