//! What the engine says: events, lists, and what operations came to.

use std::collections::BTreeMap;

use model::{TaskId, TaskState, Timestamp};

use super::{Known, status};
use crate::{
    container::{Answers, Asked, Container, ContainerState, has_ended, later},
    tasks::{Listed, Now, Outcome},
};

impl Known {
    /// The engine says that a container is so now; `None`: it is gone.
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

    /// All containers of the engine, as they were at `epoch` or later.
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
    pub fn take_outcome(&mut self, task: TaskId, outcome: Outcome, now: Now) {
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
                local.status = status(TaskState::Ready, "prepared", Some(id), now.wall);
            }
            Outcome::Started(state) => {
                local.answers = Answers::default();
                let revived = std::mem::take(&mut local.revive);
                if revived {
                    let id = local.container.as_ref().map(|c| c.id.clone());
                    let at = later(&local.status, now.wall);
                    local.status = status(local.status.state, "started again", id, at);
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
                entry.ended = Some(now.run);
            }
            Outcome::Failed(state, err) => self.end(task, state, err, now.wall),
        }
    }

    /// How far the preparation of a task is, in words.
    pub fn say(&mut self, task: TaskId, words: String, now: Timestamp) {
        let status = &mut self.entry(task).local.status;
        if status.state == TaskState::Preparing && status.message != words {
            (status.message, status.at) = (words, later(status, now));
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
}

fn ends(before: &ContainerState, after: &ContainerState) -> bool {
    before.runs() && matches!(after, ContainerState::Exited { .. })
}
