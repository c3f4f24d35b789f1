//! What a node knows of its tasks, and how news changes it. No engine, no clock.
//!
//! A list of containers is a picture of the moment when it was asked for; what changed since then here is newer. Every
//! change therefore gets a number, and a list changes only what has not changed since its own.

mod kept;
mod news;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use model::{RestartPolicy, Task, TaskId, TaskState, TaskStatus, Timestamp};

use super::{Past, Statuses};
use crate::container::{Answers, ContainerState, Ended, Local, later, run_again};

#[derive(Debug)]
struct Entry {
    local: Local,
    touched: u64,
    /// Its container ended with the engine.
    by_engine: bool,
    /// When its end was noticed, while no manager was in reach.
    ended: Option<Duration>,
    /// When this node ran it again by itself.
    runs: Vec<Duration>,
}

/// All tasks and containers that a node knows of.
#[derive(Debug)]
pub struct Known {
    entries: BTreeMap<TaskId, Entry>,
    epoch: u64,
    listed: bool,
    rebooted: bool,
    /// Since this change the engine takes its containers with it.
    leaving: Option<u64>,
}

impl Known {
    /// What is known before anything is heard.
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

    /// All of them.
    pub fn tasks(&self) -> Vec<TaskId> {
        self.entries.keys().copied().collect()
    }

    /// What is known of a task.
    pub fn get(&self, task: TaskId) -> Option<&Local> {
        self.entries.get(&task).map(|e| &e.local)
    }

    /// An operation is under way.
    pub fn any_busy(&self) -> bool {
        self.entries.values().any(|e| e.local.busy)
    }

    /// Tasks of a view: new ones are taken in, and a state that the managers set beyond ours counts. So does a later word
    /// about the same state, which an agent may have said before it was started again with an older view from its disk:
    /// what is said by that one the managers do not take.
    pub fn take_view(&mut self, tasks: &[Task]) {
        for task in tasks {
            let local = &mut self.entry(task.id).local;
            let place = |status: &TaskStatus| (status.state, status.at);
            if place(&task.status) > place(&local.status) {
                local.status = task.status.clone();
            }
        }
    }

    /// What a task waits for, in words.
    pub fn explain(&mut self, task: TaskId, words: &str, now: Timestamp) {
        let status = &mut self.entry(task).local.status;
        if status.message != words {
            (status.message, status.at) = (words.to_owned(), later(status, now));
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

    /// When this node runs a task again by itself whose container has ended, by the agent's own clock as all three; see
    /// [`crate::container::run_again`].
    pub fn run_again(
        &mut self,
        task: TaskId,
        policy: &RestartPolicy,
        cut_off: Duration,
        now: Duration,
    ) -> Option<Duration> {
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
    pub fn runs_again(&mut self, task: TaskId, now: Duration) {
        let entry = self.entry(task);
        entry.runs.push(now);
        entry.local.revive = true;
    }

    /// Ends a task with an error.
    pub fn end(&mut self, task: TaskId, state: TaskState, err: String, now: Timestamp) {
        let local = &mut self.entry(task).local;
        let container = local.container.as_ref().map(|c| c.id.clone());
        let message = local.status.message.clone();
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

fn status(state: TaskState, message: &str, container: Option<String>, now: Timestamp) -> TaskStatus {
    TaskStatus {
        message: message.to_owned(),
        container,
        ..TaskStatus::of(state, now)
    }
}
