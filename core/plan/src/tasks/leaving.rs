//! The tasks of this node that are let go, and what was heard of them. By the agent's own clock, which no one sets.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use model::{DesiredState, NodeView, Task, TaskId, Timestamp};

use super::Now;
use crate::container::{LetGo, kept_until};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    tasks: BTreeMap<TaskId, LetGo>,
}

impl Leaving {
    /// Takes in a view, and of which tasks the managers have said that they may be stopped.
    pub fn take(&mut self, view: &NodeView, released: &BTreeSet<TaskId>, now: Now) {
        let since = clock(now);
        let gone = view.tasks.iter().filter(|task| task.desired >= DesiredState::Shutdown);
        let gone = gone.map(|task| {
            let known = self.tasks.get(&task.id).copied();
            let mut known = known.unwrap_or(LetGo { since, released: None });
            if released.contains(&task.id) {
                known.released.get_or_insert(since);
            }
            (task.id, known)
        });
        self.tasks = gone.collect();
    }

    /// How long the container of a task is not yet asked to end; `None`: it may be.
    pub fn left(&self, view: &NodeView, task: &Task, now: Now) -> Option<Duration> {
        let until = kept_until(view, task, *self.tasks.get(&task.id)?)?;
        let left = until.since(clock(now));
        (!left.is_zero()).then_some(left)
    }
}

fn clock(now: Now) -> Timestamp {
    Timestamp(i64::try_from(now.run.as_nanos()).unwrap_or(i64::MAX))
}
