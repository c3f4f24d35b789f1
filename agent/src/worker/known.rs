//! What the worker knows of its tasks, and how news changes it. No engine, no clock.
//!
//! A list of containers is a picture of the moment when it was asked for; what changed since then here is newer. Every
//! change therefore gets a number, and a list changes only what has not changed since its own.

mod kept;

use std::collections::{BTreeMap, BTreeSet};

use model::{RestartPolicy, Task, TaskId, TaskState, TaskStatus, Timestamp};
use plan::container::{Answers, Asked, Container, ContainerState, Ended, Local, has_ended, run_again};

use super::{Past, Statuses, engine::Outcome};
use crate::runtime::Listed;

struct Entry {
    local: Local,
    touched: u64,
    /// Its container ended with the engine.
    by_engine: bool,
    /// When its end was noticed, while no manager was in reach.
    ended: Option<Timestamp>,
    /// When this node ran it again by itself.
    runs: Vec<Timestamp>,
}

/// All tasks and containers that the worker knows of.
pub struct Known {
    entries: BTreeMap<TaskId, Entry>,
    epoch: u64,
    listed: bool,
    rebooted: bool,
    /// Since this change the engine takes its containers with it.
    leaving: Option<u64>,
}

impl Known {
    pub fn new(Past { rebooted, ends }: Past) -> Self {
        let mut known = Self {
            entries: BTreeMap::new(),
            epoch: 0,
            listed: false,
            rebooted,
            leaving: None,
        };
        for (task, status) in ends {
            known.entry(task).local.status = status;
        }
        known
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
        let (epoch, leaving) = (self.epoch, self.leaving.is_some());
        let entry = self.entry(task);
        let Some(container) = entry.local.container.as_mut().filter(|c| c.id == id) else {
            // Not (yet) ours: a container in the making is taken in by its operation's outcome.
            return;
        };
        entry.touched = epoch;
        match state {
            Some(state) => {
                entry.by_engine |= leaving && ends(&container.state, &state);
                container.state = state;
            }
            None => entry.local.container = None,
        }
    }

    /// What ends until the next list ends with the engine.
    pub fn engine_leaves(&mut self) {
        self.epoch += 1;
        self.leaving = Some(self.epoch);
    }

    pub fn take_list(&mut self, epoch: u64, found: Vec<Listed>) {
        let mut found: BTreeMap<TaskId, Listed> = found.into_iter().map(|l| (l.task, l)).collect();
        for task in found.keys() {
            self.entry(*task);
        }
        let revive = self.rebooted && !self.listed;
        self.listed = true;
        let leaving = self.leaving.take_if(|since| *since <= epoch).is_some();
        for (task, entry) in &mut self.entries {
            let listed = found.remove(task);
            if entry.local.busy || entry.touched > epoch {
                continue;
            }
            let before = std::mem::replace(&mut entry.local.container, listed.map(|l| l.container));
            if let (Some(before), Some(now)) = (before, &entry.local.container) {
                entry.by_engine |= leaving && ends(&before.state, &now.state);
            }
            entry.local.revive |= revive && has_ended(&entry.local);
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
            Outcome::Created(id) if local.revive => {
                local.container = Some(Container {
                    id,
                    state: ContainerState::Created,
                });
            }
            Outcome::Created(id) => {
                local.container = Some(Container {
                    id: id.clone(),
                    state: ContainerState::Created,
                });
                local.status = status(TaskState::Ready, "prepared", Some(id), now);
            }
            Outcome::Started(state) => {
                local.answers = Answers::default();
                let revived = std::mem::take(&mut local.revive);
                if revived {
                    let id = local.container.as_ref().map(|c| c.id.clone());
                    local.status = status(local.status.state, "started again", id, now);
                    (entry.by_engine, entry.ended) = (false, None);
                }
                // Its end may have been heard of before the start's own answer.
                let fresh = |c: &&mut Container| revived || c.state == ContainerState::Created;
                if let Some(container) = local.container.as_mut().filter(fresh) {
                    container.state = state;
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
            // It had run before: its end is told as that of any other, or it is run again once more.
            Outcome::Failed(..) if local.revive => {
                local.revive = false;
                entry.ended = Some(now);
            }
            Outcome::Failed(state, err) => self.end(task, state, err, now),
        }
    }

    /// How far the preparation of a task is, in words.
    pub fn say(&mut self, task: TaskId, words: String, now: Timestamp) {
        let status = &mut self.entry(task).local.status;
        if status.state == TaskState::Preparing && status.message != words {
            (status.message, status.at) = (words, now);
        }
    }

    /// What a task waits for, in words.
    pub fn explain(&mut self, task: TaskId, words: &str, now: Timestamp) {
        let status = &mut self.entry(task).local.status;
        if status.message != words {
            (status.message, status.at) = (words.to_owned(), now);
        }
    }

    /// An answer of a task's container, if it is still that one.
    pub fn take_answer(
        &mut self,
        task: TaskId,
        container: &str,
        asked: Asked,
        answer: Result<(), String>,
        counts: bool,
    ) {
        let local = &mut self.entry(task).local;
        if local
            .container
            .as_ref()
            .is_some_and(|c| c.id == container && c.state.runs())
        {
            local.answers.take(asked, answer, counts);
        }
    }

    /// A status that the plan decided. An end with the engine is no fault of the task.
    pub fn report(&mut self, task: TaskId, mut status: TaskStatus) {
        let entry = self.entry(task);
        let ended = matches!(status.state, TaskState::Complete | TaskState::Failed);
        if ended && std::mem::take(&mut entry.by_engine) {
            status.state = TaskState::Failed;
            status.engine_restarted = true;
            status.err = "task: the container engine was restarted".to_owned();
        }
        entry.local.status = status;
    }

    /// When this node runs a task again by itself whose container has ended; see [`plan::container::run_again`].
    pub fn run_again(
        &mut self,
        task: TaskId,
        policy: &RestartPolicy,
        cut_off: Timestamp,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let entry = self.entry(task);
        let at = *entry.ended.get_or_insert(now);
        let ended = Ended {
            policy,
            cut_off,
            at,
            runs: &entry.runs,
            excused: entry.by_engine,
        };
        run_again(&entry.local, ended)
    }

    /// It is run again now.
    pub fn runs_again(&mut self, task: TaskId, now: Timestamp) {
        let entry = self.entry(task);
        entry.runs.push(now);
        entry.local.revive = true;
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

    /// Tasks without a container that runs and is well: nothing answers there, whatever a view says.
    pub fn down(&self) -> BTreeSet<TaskId> {
        let well = |local: &Local| matches!(&local.container, Some(c) if c.state == ContainerState::Running);
        let runs = |local: &Local| well(local) && !local.status.not_ready;
        let down = self.entries.iter().filter(|(_, e)| !runs(&e.local));
        down.map(|(task, _)| *task).collect()
    }

    fn entry(&mut self, task: TaskId) -> &mut Entry {
        self.entries.entry(task).or_insert_with(|| Entry {
            local: Local {
                status: status(TaskState::New, "", None, Timestamp(0)),
                container: None,
                busy: false,
                revive: false,
                answers: Answers::default(),
            },
            touched: 0,
            by_engine: false,
            ended: None,
            runs: Vec::new(),
        })
    }
}

fn ends(before: &ContainerState, after: &ContainerState) -> bool {
    before.runs() && matches!(after, ContainerState::Exited { .. })
}

fn status(state: TaskState, message: &str, container: Option<String>, now: Timestamp) -> TaskStatus {
    TaskStatus {
        message: message.to_owned(),
        container,
        ..TaskStatus::of(state, now)
    }
}
