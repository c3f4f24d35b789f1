//! The tasks of this node that are let go, and what was heard of them. By a clock of its own, which no one sets.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use model::{DesiredState, NodeView, Task, TaskId, Timestamp};
use plan::container::{LetGo, kept_until};
use tokio::time::Instant;

/// See the module.
pub struct Leaving {
    begun: Instant,
    tasks: BTreeMap<TaskId, LetGo>,
}

impl Leaving {
    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            tasks: BTreeMap::new(),
        }
    }

    /// Takes in a view, and of which tasks the managers have said that they may be stopped.
    pub fn take(&mut self, view: &NodeView, released: &BTreeSet<TaskId>) {
        let since = self.clock();
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

    /// When the container of a task may be asked to end, if that is not yet.
    pub fn kept_until(&self, view: &NodeView, task: &Task) -> Option<Instant> {
        let until = kept_until(view, task, *self.tasks.get(&task.id)?)?;
        let left = until.since(self.clock());
        (!left.is_zero()).then(|| Instant::now() + left)
    }

    /// Since the worker began.
    fn clock(&self) -> Timestamp {
        let since: Duration = self.begun.elapsed();
        Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }
}
