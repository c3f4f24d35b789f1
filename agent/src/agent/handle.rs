//! A running agent: how it is, and the two ways to end it.

use std::{io, sync::Arc, time::Duration};

use model::{HeldPort, NodeDescription, NodeView};
use seal::Keys;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};
use wire::pb::{self, dispatcher_client::DispatcherClient};

use super::{AgentConfig, AgentError, wiring::Wires};
use crate::{
    dns,
    gate::{Gate, Papers},
    identity::{CoverOrder, Identity, IdentityError},
    network::{Network, NetworkError},
    reconcile::Report,
    runtime::{Runtime, RuntimeError},
    session::{Calling, Manager, SessionState},
    vault::Vault,
    worker::CurrentView,
};

/// Longest wait for a manager to hear that this node leaves.
const FAREWELL: Duration = Duration::from_secs(3);
/// Within this the engine ends what an operation had asked of it before it was cut off.
const LATE: Duration = Duration::from_millis(300);

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

/// What a running agent owns.
pub(super) struct Parts {
    pub runtime: Arc<dyn Runtime>,
    pub network: Arc<dyn Network>,
    /// Keeps the session with the managers.
    pub session: JoinHandle<()>,
    /// Everything else.
    pub tasks: Vec<JoinHandle<()>>,
    /// Orders to the identity's writer.
    pub covers: mpsc::Sender<CoverOrder>,
}

/// A running agent. Dropping it leaves its tasks to the runtime; end it by [`AgentHandle::shutdown`] or
/// [`AgentHandle::leave`].
pub struct AgentHandle {
    config: AgentConfig,
    parts: Parts,
    identity: watch::Receiver<Identity>,
    session: watch::Receiver<SessionState>,
    calling: watch::Receiver<Option<Calling>>,
    managers: watch::Receiver<Vec<Manager>>,
    applied: watch::Receiver<u64>,
    views: watch::Receiver<Option<CurrentView>>,
    description: watch::Receiver<Option<NodeDescription>>,
    pub(super) report: Option<watch::Receiver<Report>>,
    /// Where containers get their network.
    pub(super) gate: Option<Gate>,
}

impl AgentHandle {
    pub(super) fn new(config: AgentConfig, parts: Parts, wires: &Wires) -> Self {
        Self {
            config,
            parts,
            identity: wires.identity.subscribe(),
            session: wires.session.subscribe(),
            calling: wires.calling.subscribe(),
            managers: wires.managers.subscribe(),
            applied: wires.applied.subscribe(),
            views: wires.views.subscribe(),
            description: wires.description.subscribe(),
            report: None,
            gate: None,
        }
    }

    /// Who this node is; changes when its certificate is renewed (it is on disk by then).
    pub fn identity(&self) -> watch::Receiver<Identity> {
        self.identity.clone()
    }

    /// Lets the node's key lie on the disk sealed under `keys`, or in clear, from now on. Waits until it does.
    pub fn cover(&self, keys: Option<Arc<Keys>>) -> impl Future<Output = Result<(), IdentityError>> + Send + use<> {
        let covers = self.parts.covers.clone();
        async move {
            let (done, answer) = oneshot::channel();
            let _ = covers.send(CoverOrder { keys, done }).await;
            answer.await.unwrap_or(Err(IdentityError::Ended))
        }
    }

    /// What the managers want this node to be; `None` until one has said so.
    pub fn calling(&self) -> watch::Receiver<Option<Calling>> {
        self.calling.clone()
    }

    /// The managers as last told.
    pub fn managers(&self) -> watch::Receiver<Vec<Manager>> {
        self.managers.clone()
    }

    /// How it is.
    pub fn status(&self) -> AgentStatus {
        let description = self.description.borrow();
        let mut warnings = dns::warnings();
        warnings.extend(self.report.iter().flat_map(|r| r.borrow().problems.clone()));
        if let (Some(description), Some(current)) = (&*description, &*self.views.borrow()) {
            warnings.extend(held_ports(&current.view, description));
        }
        warnings.extend(Some(self.session.borrow().clock.clone()).filter(|words| !words.is_empty()));
        warnings.extend(repaired(self.session.borrow().repairs));
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

    /// The node's network; it can be asked while the agent is on its way out.
    pub fn network(&self) -> Arc<dyn Network> {
        self.parts.network.clone()
    }

    /// What is in the kernel, by name.
    pub async fn counts(&self) -> Result<Vec<(String, u64)>, NetworkError> {
        self.parts.network.counts().await
    }

    /// Stops the agent; containers and forwarding go on.
    pub async fn shutdown(self) {
        self.abandon().await;
    }

    /// Ends a start that failed.
    pub(super) async fn abandon(self) {
        let Parts { session, mut tasks, .. } = self.parts;
        tasks.push(session);
        end(tasks).await;
    }

    /// Takes the node out of service: tells the managers, removes all our containers, takes
    /// everything out of the kernel, forgets the saved view. The identity is the daemon's to remove.
    pub async fn leave(self) -> Result<(), AgentError> {
        // A heartbeat after the farewell, or a session that is opened again, would make the node ready once more.
        end(vec![self.parts.session]).await;
        let farewell = tokio::time::timeout(
            FAREWELL,
            farewell(self.identity.borrow().clone(), self.session.borrow().clone()),
        );
        let _ = farewell.await;
        end(self.parts.tasks).await;
        // The kernel can be cleaned without an engine, too.
        let emptied = empty(&*self.parts.runtime).await;
        let detached = self.parts.network.detach_all().await;
        drop(self.gate);
        emptied?;
        detached?;
        let closed = Vault::new(&self.config.run_dir).close();
        let closed = closed.and_then(|()| Papers::new(&self.config.run_dir).close());
        closed.map_err(|error| AgentError::State {
            path: self.config.run_dir.clone(),
            error,
        })?;
        let path = self.config.data_root.join("agent");
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(AgentError::State { path, error }),
            _ => Ok(()),
        }
    }
}

/// That what this node had was not what the managers had told, in words.
fn repaired(times: u64) -> Option<String> {
    (times > 0).then(|| {
        format!(
            "what this node knows of the swarm differed from what the managers had told, and was sent anew, \
             {times} times since netd started: the log of netd says when"
        )
    })
}

/// Published ports that somebody on this host holds, in words.
fn held_ports<'a>(view: &'a NodeView, description: &'a NodeDescription) -> impl Iterator<Item = String> + 'a {
    let ports = view.services.iter().flat_map(|s| s.ports.iter().map(move |p| (s, p)));
    ports.filter_map(|(service, port)| {
        let same = |h: &&HeldPort| (h.port, h.protocol) == (port.published, port.protocol);
        let held = description.held_ports.iter().find(same)?;
        let (number, protocol) = (port.published, port.protocol);
        Some(format!(
            "port {number}/{protocol} of service {} is held on this node by {}: it is not captured here",
            service.name, held.holder
        ))
    })
}

/// Removes all our containers.
async fn empty(runtime: &dyn Runtime) -> Result<(), RuntimeError> {
    // A container that was being made when the worker ended may come late: only a second empty list counts.
    for _ in 0..2 {
        loop {
            let ours = runtime.list().await?;
            if ours.is_empty() {
                break;
            }
            futures::future::try_join_all(ours.iter().map(|found| runtime.remove(&found.container.id))).await?;
        }
        tokio::time::sleep(LATE).await;
    }
    Ok(())
}

async fn end(tasks: Vec<JoinHandle<()>>) {
    for task in &tasks {
        task.abort();
    }
    // What an aborted task holds (sockets, channels) is free only once it has ended.
    futures::future::join_all(tasks).await;
}

/// Best effort: managers notice a silent node anyway.
async fn farewell(identity: Identity, session: SessionState) {
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
