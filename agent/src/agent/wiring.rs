//! The channels between the agent's parts, and the tasks that they join.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use model::{NodeDescription, TaskId};
use tokio::{sync::watch, task::JoinHandle};

use super::AgentConfig;
use crate::{
    dns::{self, Resolver},
    gate::Papers,
    identity::{self, Identity},
    network::Network,
    runtime::Runtime,
    session::{self, Calling, Manager, SessionState, Trust, describe, ends, saved},
    vault::Vault,
    worker::{self, CurrentView},
};

/// Before a pass that failed is tried again.
const RECONCILE_RETRY: Duration = Duration::from_secs(1);

/// The channels between the parts.
pub struct Wires {
    pub identity: watch::Sender<Identity>,
    pub views: watch::Sender<Option<CurrentView>>,
    pub effective: watch::Sender<Option<CurrentView>>,
    pub applied: watch::Sender<u64>,
    pub statuses: watch::Sender<worker::Statuses>,
    /// The same, once they may be told.
    pub told: watch::Sender<worker::Statuses>,
    pub managers: watch::Sender<Vec<Manager>>,
    pub session: watch::Sender<SessionState>,
    pub released: watch::Sender<BTreeSet<TaskId>>,
    pub kept: watch::Sender<BTreeSet<TaskId>>,
    pub forgotten: watch::Sender<BTreeSet<TaskId>>,
    pub trust: watch::Sender<Option<Trust>>,
    pub calling: watch::Sender<Option<Calling>>,
    pub description: watch::Sender<Option<NodeDescription>>,
}

impl Wires {
    /// With what the disk still knows.
    pub fn new(config: &AgentConfig, found: Option<saved::Saved>) -> Self {
        let mut managers = config.managers.clone();
        managers.extend(found.iter().flat_map(|s| s.managers.iter().cloned()));
        let mut known: Vec<Manager> = Vec::new();
        for addr in managers {
            if known.iter().all(|m| m.addr != addr) {
                known.push(Manager::at(addr));
            }
        }
        let view = found.map(|s| CurrentView::from_disk(Arc::new(s.view)));
        Self {
            identity: watch::Sender::new(config.identity.clone()),
            views: watch::Sender::new(view),
            effective: watch::Sender::new(None),
            applied: watch::Sender::new(0),
            statuses: watch::Sender::default(),
            told: watch::Sender::default(),
            managers: watch::Sender::new(known),
            session: watch::Sender::new(SessionState {
                since: Some(worker::now()),
                ..SessionState::default()
            }),
            released: watch::Sender::default(),
            kept: watch::Sender::default(),
            forgotten: watch::Sender::default(),
            trust: watch::Sender::default(),
            calling: watch::Sender::default(),
            description: watch::Sender::new(None),
        }
    }

    /// Starts all parts: the one that keeps the session, and the others.
    pub fn connect(
        &self,
        config: &AgentConfig,
        runtime: &Arc<dyn Runtime>,
        network: &Arc<dyn Network>,
        (rebooted, covers): (bool, identity::Covers),
    ) -> (JoinHandle<()>, Vec<JoinHandle<()>>) {
        let worker = worker::Ports {
            views: self.views.subscribe(),
            effective: self.effective.clone(),
            statuses: self.statuses.clone(),
            session: self.session.subscribe(),
            vault: Vault::new(&config.run_dir),
            papers: Papers::new(&config.run_dir),
            released: self.released.subscribe(),
            kept: self.kept.clone(),
            forgotten: self.forgotten.subscribe(),
        };
        let session = session::Ports {
            addr: config.addr,
            hints: config.hints.clone(),
            calling: self.calling.clone(),
            identity: self.identity.subscribe(),
            engine: runtime.clone(),
            trust: self.trust.clone(),
            description: self.description.subscribe(),
            statuses: self.told.subscribe(),
            applied: self.applied.subscribe(),
            views: self.views.clone(),
            released: self.released.clone(),
            kept: self.kept.subscribe(),
            forgotten: self.forgotten.clone(),
            managers: self.managers.clone(),
            state: self.session.clone(),
        };
        let told = describe::Told {
            vtep: config.vtep,
            generic_resources: config.generic_resources.clone(),
        };
        let (path, ends) = (saved::path(&config.data_root), ends::path(&config.data_root));
        let past = worker::Past {
            rebooted,
            ends: ends::load(&ends),
        };
        let mut others = vec![
            tokio::spawn(feed(network.clone(), self.effective.subscribe(), self.applied.clone())),
            worker::spawn(runtime.clone(), worker, past),
            ends::pass_on(ends, self.statuses.subscribe(), self.told.clone()),
            describe::spawn(runtime.clone(), told, self.description.clone()),
            saved::keep(path, self.views.subscribe(), self.managers.subscribe()),
            identity::keep_fresh(
                self.identity.clone(),
                self.session.subscribe(),
                self.trust.subscribe(),
                self.calling.subscribe(),
                covers,
                config.data_root.clone(),
            ),
        ];
        let resolver = Resolver::new(self.effective.subscribe(), network.dns_clients());
        others.extend(network.resolver().map(|namespace| dns::serve(resolver, namespace)));
        (session::spawn(session), others)
    }
}

/// Brings every effective view into the kernel; the latest wins, a failed one is tried again.
async fn feed(
    network: Arc<dyn Network>,
    mut effective: watch::Receiver<Option<CurrentView>>,
    applied: watch::Sender<u64>,
) {
    loop {
        let current = effective.borrow_and_update().clone();
        let mut failed = false;
        if let Some(current) = current {
            let (seq, confirmed) = (current.view.seq, current.confirmed);
            match network.reconcile(current).await {
                // By a saved view nothing was taken away: the managers would hear that nobody sends to tasks that still get
                // new flows.
                Ok(()) if !confirmed => {}
                Ok(()) => drop(applied.send_replace(seq)),
                Err(error) => {
                    tracing::error!(%error, seq, "the network is not as it should be");
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
