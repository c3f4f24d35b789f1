//! What stays of tasks that have ended, and what goes: files at once, containers when nobody remembers their tasks.

use std::collections::BTreeSet;

use model::TaskId;

use super::Tasks;
use crate::container::Standing;

/// Ended containers that are kept for their logs at most. The managers' history is the usual limit, and far below.
pub const MOST_KEPT: usize = 500;

impl Tasks {
    /// Tasks that are not assigned any more and whose containers are kept for their logs; empty until the managers have
    /// spoken.
    pub fn kept(&self) -> BTreeSet<TaskId> {
        match &self.current {
            Some(current) if current.confirmed => self.known.kept(&current.view.tasks),
            _ => BTreeSet::new(),
        }
    }

    /// All is known and nothing is under way: files that are not needed now are not needed.
    pub fn is_settled(&self) -> bool {
        self.known.listed() && !self.known.any_busy() && self.current.as_ref().is_some_and(|current| current.confirmed)
    }

    /// Whether a task has a container that runs, or may get one. Files go with the task, whatever stays of its container.
    pub fn needs_files(&self, task: TaskId) -> bool {
        let assigned = self.assigned().iter().any(|assigned| assigned.id == task);
        let standing = (!assigned).then(|| self.standing(task));
        self.known.needs_files(task, standing)
    }

    /// Of a task that is not assigned.
    pub(super) fn standing(&self, task: TaskId) -> Standing {
        if self.current.as_ref().is_none_or(|current| !current.confirmed) {
            Standing::Unknown
        } else if self.surplus.contains(&task) || self.forgotten.contains(&task) {
            Standing::Forgotten
        } else {
            Standing::Over
        }
    }

    /// More is kept than there is room for.
    pub(super) fn limit_kept(&mut self) {
        let kept = self.known.kept(self.assigned());
        self.surplus = self.known.surplus(&kept, MOST_KEPT);
    }
}
