//! What the worker knows of its tasks, and how news changes it. No engine, no clock.
//!
//! A list of containers is a picture of the moment when it was asked for; what changed since then here is newer. Every
//! change therefore gets a number, and a list changes only what has not changed since its own.

use std::collections::{BTreeMap, BTreeSet};

use model::{NetworkId, Task, TaskId, TaskState, TaskStatus, Timestamp};
use plan::container::{Container, ContainerState, Local};

use super::{Statuses, engine::Outcome};
use crate::runtime::Listed;

struct Entry {
    local: Local,
    /// Networks that its container was listed in.
    networks: Vec<NetworkId>,
    touched: u64,
}

/// All tasks and containers that the worker knows of.
pub struct Known {
    entries: BTreeMap<TaskId, Entry>,
    epoch: u64,
    listed: bool,
    rebooted: bool,
}

impl Known {
    pub fn new(rebooted: bool) -> Self {
        Self {
            entries: BTreeMap::new(),
            epoch: 0,
            listed: false,
            rebooted,
        }
    }

    /// Number of the last change.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the engine's containers are known at all; before that, nothing may be decided.
    pub fn listed(&self) -> bool {
        self.listed
    }

    pub fn tasks(&self) -> Vec<TaskId> {
        self.entries.keys().copied().collect()
    }

    pub fn get(&self, task: TaskId) -> Option<&Local> {
        self.entries.get(&task).map(|e| &e.local)
    }

    pub fn any_busy(&self) -> bool {
        self.entries.values().any(|e| e.local.busy)
    }

    /// Tasks of a view: new ones are taken in, and a state that the managers set beyond ours counts.
    pub fn take_view(&mut self, tasks: &[Task]) {
        for task in tasks {
            let local = &mut self.entry(task.id).local;
            if task.status.state > local.status.state {
                local.status = task.status.clone();
            }
        }
    }

    pub fn take_event(&mut self, task: TaskId, id: &str, state: Option<ContainerState>) {
        self.epoch += 1;
        let epoch = self.epoch;
        let entry = self.entry(task);
        let Some(container) = entry.local.container.as_mut().filter(|c| c.id == id) else {
            // Not (yet) ours: a container in the making is taken in by its operation's outcome.
            return;
        };
        entry.touched = epoch;
        match state {
            Some(state) => container.state = state,
            None => entry.local.container = None,
        }
    }

    pub fn take_list(&mut self, epoch: u64, found: Vec<Listed>) {
        let mut found: BTreeMap<TaskId, Listed> = found.into_iter().map(|l| (l.task, l)).collect();
        for task in found.keys() {
            self.entry(*task);
        }
        let revive = self.rebooted && !self.listed;
        self.listed = true;
        for (task, entry) in &mut self.entries {
            let listed = found.remove(task);
            if entry.local.busy || entry.touched > epoch {
                continue;
            }
            entry.networks = listed.as_ref().map(|l| l.networks.clone()).unwrap_or_default();
            entry.local.container = listed.map(|l| l.container);
            let exited = matches!(&entry.local.container, Some(c) if matches!(c.state, ContainerState::Exited { .. }));
            entry.local.revive |= revive && exited;
        }
    }

    /// An operation has ended.
    pub fn take_outcome(&mut self, task: TaskId, outcome: Outcome, now: Timestamp) {
        self.epoch += 1;
        let epoch = self.epoch;
        let entry = self.entry(task);
        entry.touched = epoch;
        entry.local.busy = false;
        let local = &mut entry.local;
        match outcome {
            Outcome::Created(id) => {
                local.container = Some(Container {
                    id: id.clone(),
                    state: ContainerState::Created,
                });
                local.status = status(TaskState::Ready, "prepared", Some(id), now);
            }
            Outcome::Started => {
                let revived = std::mem::take(&mut local.revive);
                // Its end may have been heard of before the start's own answer.
                let fresh = |c: &&mut Container| revived || c.state == ContainerState::Created;
                if let Some(container) = local.container.as_mut().filter(fresh) {
                    container.state = ContainerState::Running;
                }
            }
            Outcome::Stopped(code) => {
                if let Some(container) = &mut local.container {
                    let error = String::new();
                    container.state = ContainerState::Exited { code, error };
                }
            }
            Outcome::Removed => local.container = None,
            Outcome::Retry => {}
            Outcome::Failed(state, err) => self.end(task, state, err, now),
        }
    }

    /// A status that the plan decided.
    pub fn report(&mut self, task: TaskId, status: TaskStatus) {
        self.entry(task).local.status = status;
    }

    /// Ends a task with an error.
    pub fn end(&mut self, task: TaskId, state: TaskState, err: String, now: Timestamp) {
        let local = &mut self.entry(task).local;
        let container = local.container.as_ref().map(|c| c.id.clone());
        let message = local.status.message.clone();
        tracing::warn!(%task, %state, %err, "task");
        local.status = TaskStatus {
            err,
            ..status(state, &message, container, now)
        };
    }

    /// An operation begins.
    pub fn begin(&mut self, task: TaskId) {
        self.epoch += 1;
        let epoch = self.epoch;
        let entry = self.entry(task);
        entry.touched = epoch;
        entry.local.busy = true;
    }

    /// Forgets tasks that are not assigned any more and have left nothing.
    pub fn forget(&mut self, assigned: &[Task]) {
        self.entries
            .retain(|id, e| e.local.busy || e.local.container.is_some() || assigned.iter().any(|t| t.id == *id));
    }

    /// Statuses of assigned tasks.
    pub fn statuses(&self, assigned: &[Task]) -> Statuses {
        let known = assigned
            .iter()
            .filter_map(|t| Some((t.id, self.get(t.id)?.status.clone())));
        known.collect()
    }

    /// Tasks without a running container: nothing answers there, whatever a view says.
    pub fn down(&self) -> BTreeSet<TaskId> {
        let runs = |local: &Local| matches!(&local.container, Some(c) if c.state == ContainerState::Running);
        let down = self.entries.iter().filter(|(_, e)| !runs(&e.local));
        down.map(|(task, _)| *task).collect()
    }

    /// Networks that assigned tasks need, or containers are in.
    pub fn networks(&self, assigned: &[Task]) -> Vec<NetworkId> {
        let live = |task: &&Task| self.get(task.id).is_some_and(|l| !l.status.state.is_terminal());
        let tasks = assigned.iter().filter(live).flat_map(|t| &t.attachments);
        let containers = self.entries.values().filter(|e| e.local.container.is_some());
        let mut networks: Vec<_> = tasks
            .map(|a| a.network)
            .chain(containers.flat_map(|e| e.networks.iter().copied()))
            .collect();
        networks.sort_unstable();
        networks.dedup();
        networks
    }

    fn entry(&mut self, task: TaskId) -> &mut Entry {
        self.entries.entry(task).or_insert_with(|| Entry {
            local: Local {
                status: status(TaskState::New, "", None, Timestamp(0)),
                container: None,
                busy: false,
                revive: false,
            },
            networks: Vec::new(),
            touched: 0,
        })
    }
}

fn status(state: TaskState, message: &str, container: Option<String>, now: Timestamp) -> TaskStatus {
    TaskStatus {
        state,
        at: now,
        message: message.to_owned(),
        err: String::new(),
        container,
        exit_code: None,
    }
}
