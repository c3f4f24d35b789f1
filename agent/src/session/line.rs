//! One open session: what goes up and what comes down until it breaks.

use std::{collections::BTreeSet, convert::Infallible, sync::Arc, time::Duration};

use model::{NodeDescription, NodeView, Role, Seat, TaskId, Timestamp, ViewDelta};
use tokio::{
    sync::watch,
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};
use wire::pb::{self, session_down, session_up::Message};

use super::{
    Calling, Down, Ended, Manager, Ports, Trust, Up, WELCOME, checked,
    clock::Clocks,
    course::{Outcome, Pulse},
    follower::Follower,
    message,
};
use crate::{
    logs::Publishers,
    probe,
    worker::{CurrentView, Statuses, now},
};

/// Until the manager has said how often to beat.
const FIRST_BEAT: Duration = Duration::from_millis(800);
/// Reports per message: even if all say as much as is kept of them, a manager takes it.
const REPORTS: usize = 500;

/// An open session.
pub struct Line<'a> {
    ports: &'a Ports,
    addr: &'a str,
    up: Up,
    down: Down,
    beat: Interval,
    pulse: Pulse,
    outcome: Outcome,
    follower: Follower,
    /// What this manager has been told; a new session tells everything anew.
    told: Statuses,
    kept: BTreeSet<TaskId>,
    /// Logs that this manager reads.
    logs: Publishers,
    clocks: Clocks,
    /// Knows which description went into the hello: what changed since then is news.
    description: watch::Receiver<Option<NodeDescription>>,
}

impl<'a> Line<'a> {
    pub fn new(
        ports: &'a Ports,
        addr: &'a str,
        (up, down): (Up, Down),
        follower: Follower,
        description: watch::Receiver<Option<NodeDescription>>,
    ) -> Self {
        Self {
            ports,
            addr,
            up,
            down,
            beat: every(FIRST_BEAT),
            pulse: Pulse::default(),
            outcome: Outcome::default(),
            follower,
            told: Statuses::new(),
            kept: BTreeSet::new(),
            logs: Publishers::new(ports.engine.clone(), ports.identity.clone(), addr),
            clocks: Clocks::default(),
            description,
        }
    }

    /// Runs until the session breaks.
    pub async fn run(mut self) -> Result<Infallible, Ended> {
        let reason = self.talk().await.unwrap_or_else(|reason| reason);
        Err(Ended {
            addr: self.addr.to_owned(),
            outcome: self.outcome,
            reason,
        })
    }

    async fn talk(&mut self) -> Result<String, String> {
        let mut statuses = self.ports.statuses.clone();
        let mut applied = self.ports.applied.clone();
        let mut kept = self.ports.kept.clone();
        let mut description = self.description.clone();
        let deadline = Instant::now() + WELCOME;
        let known = statuses.borrow_and_update().clone();
        self.report(known).await?;
        kept.mark_changed();
        loop {
            let silent = self.pulse.deadline(self.beat.period());
            tokio::select! {
                received = self.down.message() => match received {
                    Ok(Some(down)) => self.take(down).await?,
                    Ok(None) => return Ok("the manager closed the session".to_owned()),
                    Err(status) => return Ok(status.message().to_owned()),
                },
                _ = self.beat.tick() => {
                    self.pulse.beat(Instant::now());
                    let beat = self.heartbeat(&mut applied);
                    self.send(beat).await?;
                }
                Ok(()) = applied.changed() => {
                    let beat = self.heartbeat(&mut applied);
                    self.send(beat).await?;
                }
                Ok(()) = statuses.changed() => {
                    let now = statuses.borrow_and_update().clone();
                    self.report(now).await?;
                }
                Ok(()) = kept.changed() => {
                    let now = kept.borrow_and_update().clone();
                    self.keep(now).await?;
                }
                Ok(()) = description.changed() => {
                    let changed = description.borrow_and_update().clone();
                    if let Some(changed) = changed {
                        self.send(Message::Description(changed.into())).await?;
                    }
                }
                () = tokio::time::sleep_until(deadline), if !self.outcome.welcomed => {
                    return Ok("the manager does not answer".to_owned());
                }
                () = at(silent), if silent.is_some() => {
                    return Ok("the manager does not answer heartbeats any more".to_owned());
                }
            }
        }
    }

    async fn take(&mut self, down: pb::SessionDown) -> Result<(), String> {
        self.pulse
            .heard(matches!(down.message, Some(session_down::Message::Beat(_))));
        match down.message {
            Some(session_down::Message::Welcome(welcome)) => {
                self.outcome.welcomed = true;
                self.beat = every(Duration::from_millis(u64::from(welcome.heartbeat_ms.max(50))));
                tracing::info!(manager = self.addr, session = welcome.session, "session");
                self.ports.state.send_modify(|state| {
                    state.manager = Some(self.addr.to_owned());
                    state.clock = String::new();
                    state.error = String::new();
                    state.since = None;
                });
                self.clocks = Clocks::default();
                self.compare_clocks(welcome.now);
            }
            Some(session_down::Message::View(view)) => {
                let view = checked(view, &self.ports.identity.borrow())?;
                let view = self.follower.take_whole(view);
                self.publish(view);
            }
            Some(session_down::Message::Delta(delta)) => {
                let delta = ViewDelta::try_from(delta).map_err(|e| format!("malformed change of the view: {e}"))?;
                self.take_delta(delta).await?;
            }
            Some(session_down::Message::Managers(list)) => self.take_managers(list),
            Some(session_down::Message::Probe(request)) => self.probe(request.round),
            Some(session_down::Message::Trust(trust)) => drop(self.ports.trust.send_replace(Some(Trust {
                roots_pem: trust.roots_pem,
                issuer: trust.issuer,
                confirmed: trust.confirmed,
                spread: Duration::from_millis(trust.spread_ms.into()),
            }))),
            Some(session_down::Message::Identity(identity)) => self.take_identity(identity),
            Some(session_down::Message::Logs(wishes)) => self.logs.serve(wishes),
            Some(session_down::Message::Released(released)) => self.take_released(&released),
            Some(session_down::Message::Forgotten(forgotten)) => self.take_forgotten(&forgotten),
            Some(session_down::Message::Beat(beat)) => self.compare_clocks(beat.now),
            // From a newer manager.
            None => {}
        }
        Ok(())
    }

    fn compare_clocks(&mut self, manager: i64) {
        let Some(clock) = self.clocks.compare(now(), Timestamp(manager)) else {
            return;
        };
        match clock.is_empty() {
            true => tracing::info!(manager = self.addr, "the clock of this host agrees with the manager's"),
            false => tracing::warn!(manager = self.addr, "{clock}"),
        }
        self.ports.state.send_modify(|state| state.clock = clock);
    }

    /// Probes beside the session, which goes on beating, and reports.
    fn probe(&self, round: u64) {
        let view = self.ports.views.borrow().as_ref().map(|current| current.view.clone());
        let managers: Vec<String> = self.ports.managers.borrow().iter().map(|m| m.addr.clone()).collect();
        let clock = self.ports.state.borrow().clock.clone();
        let up = self.up.clone();
        tokio::spawn(async move {
            let failures = probe::probe(view.as_deref(), &managers).await;
            // A session that has ended meanwhile has nobody who waits for it.
            let report = pb::ProbeReport { round, failures, clock };
            let _ = up.send(message(Message::Probe(report))).await;
        });
    }

    async fn take_delta(&mut self, delta: ViewDelta) -> Result<(), String> {
        match self.follower.take_delta(&delta) {
            Ok(Some(view)) => self.publish(view),
            Ok(None) => {}
            Err(why) => {
                tracing::warn!(%why, "the whole view is asked for");
                let reason = why.to_string();
                self.send(Message::Resync(pb::Resync { reason })).await?;
            }
        }
        Ok(())
    }

    fn publish(&mut self, view: Arc<NodeView>) {
        tracing::debug!(seq = view.seq, tasks = view.tasks.len(), "view");
        let repairs = self.follower.repairs();
        if repairs > 0 {
            self.ports.state.send_modify(|state| state.repairs += repairs);
        }
        // What is released is not forgotten before its task is.
        self.ports.released.send_if_modified(|released| {
            let before = released.len();
            released.retain(|id| view.tasks.iter().any(|task| task.id == *id));
            released.len() != before
        });
        self.ports.views.send_replace(Some(CurrentView::from_managers(view)));
    }

    /// Ids that make no sense name no task of ours.
    fn take_released(&self, released: &pb::Released) {
        let tasks = released.tasks.iter().filter_map(|id| id.parse::<TaskId>().ok());
        self.ports.released.send_modify(|known| known.extend(tasks));
    }

    /// What is not kept any more need not be forgotten.
    fn take_forgotten(&self, forgotten: &pb::Forgotten) {
        let tasks = forgotten.tasks.iter().filter_map(|id| id.parse::<TaskId>().ok());
        let kept = self.ports.kept.borrow();
        self.ports.forgotten.send_modify(|known| {
            known.extend(tasks);
            known.retain(|task| kept.contains(task));
        });
    }

    fn take_managers(&mut self, list: pb::Managers) {
        let managers: Vec<_> = list
            .managers
            .into_iter()
            .map(|m| Manager {
                member: m.node.parse().ok().map(|node| (m.raft_id, node)),
                addr: m.addr,
                leader: m.leader,
            })
            .collect();
        // An empty list would leave the node with nobody to ask.
        if !managers.is_empty() {
            self.outcome.told = true;
            self.ports.managers.send_replace(managers);
        }
    }

    fn take_identity(&self, identity: pb::NodeIdentity) {
        let calling = Calling {
            role: match identity.role() {
                pb::Role::Manager => Role::Manager,
                _ => Role::Worker,
            },
            seat: Seat {
                member: (identity.raft_id > 0).then_some(identity.raft_id),
                highest: identity.highest_raft_id,
            },
        };
        self.ports
            .calling
            .send_if_modified(|now| now.replace(calling) != Some(calling));
    }

    async fn report(&mut self, now: Statuses) -> Result<(), String> {
        let changed = now.iter().filter(|(task, status)| self.told.get(*task) != Some(status));
        let mut reports: Vec<_> = changed
            .map(|(task, status)| pb::TaskReport {
                task: task.to_string(),
                status: Some(status.clone().into()),
            })
            .collect();
        self.told = now;
        while !reports.is_empty() {
            let rest = reports.split_off(reports.len().min(REPORTS));
            let reports = std::mem::replace(&mut reports, rest);
            self.send(Message::Statuses(pb::StatusBatch { reports })).await?;
        }
        Ok(())
    }

    /// Says which ended containers are kept, as far as this manager does not know.
    async fn keep(&mut self, now: BTreeSet<TaskId>) -> Result<(), String> {
        let tasks: Vec<String> = now.difference(&self.kept).map(ToString::to_string).collect();
        self.ports.forgotten.send_if_modified(|known| {
            known.retain(|task| now.contains(task));
            false
        });
        self.kept = now;
        if tasks.is_empty() {
            return Ok(());
        }
        self.send(Message::Kept(pb::Kept { tasks })).await
    }

    fn heartbeat(&self, applied: &mut watch::Receiver<u64>) -> Message {
        let applied_seq = *applied.borrow_and_update();
        let (seq, checksum) = self.follower.known();
        Message::Heartbeat(pb::Heartbeat {
            applied_seq,
            seq,
            checksum,
        })
    }

    async fn send(&self, up: Message) -> Result<(), String> {
        let sent = self.up.send(message(up)).await;
        sent.map_err(|_| "the connection is gone".to_owned())
    }
}

/// At the time, if there is one.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
