//! What stays of tasks that have ended, and what goes: files at once, containers when nobody remembers their tasks.

use model::TaskId;
use plan::container::Standing;

use super::Worker;

impl Worker {
    /// Files go with the task, whatever stays of its container.
    pub(super) fn sweep(&self, task: TaskId) {
        if !self.known.needs_files(task, self.standing(task))
            && let Err(error) = self.files.wipe(task)
        {
            tracing::error!(%task, %error, "files of an ended task are still in memory");
        }
    }

    /// Of a task that may be assigned; `None`: it is.
    pub(super) fn standing(&self, task: TaskId) -> Option<Standing> {
        let tasks = self.current.iter().flat_map(|current| &current.view.tasks);
        let assigned = tasks.into_iter().any(|assigned| assigned.id == task);
        (!assigned).then(|| self.standing_unassigned(task))
    }

    pub(super) fn standing_unassigned(&self, task: TaskId) -> Standing {
        if self.current.as_ref().is_none_or(|current| !current.confirmed) {
            Standing::Unknown
        } else if self.surplus.contains(&task) || self.forgotten.borrow().contains(&task) {
            Standing::Forgotten
        } else {
            Standing::Over
        }
    }
}
