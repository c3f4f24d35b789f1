//! What is left of tasks that have ended.

use std::collections::BTreeSet;

use model::{Task, TaskId, Timestamp};

use super::{Entry, Known};
use crate::container::{ContainerState, Local, Standing};

impl Known {
    /// Whether a task has a container that runs, or may get one; one that was given away may only run.
    pub fn needs_files(&self, task: TaskId, standing: Option<Standing>) -> bool {
        let lives = |e: &Entry| {
            let wanted = match standing {
                None => !e.local.status.state.is_terminal(),
                Some(standing) => standing == Standing::Unknown && e.local.container.is_some(),
            };
            wanted || e.local.busy || e.local.container.as_ref().is_some_and(|c| c.state.runs())
        };
        self.entries.get(&task).is_some_and(lives)
    }

    /// Tasks that are not assigned and whose containers have ended: what these have printed is all that is left.
    pub fn kept(&self, assigned: &[Task]) -> BTreeSet<TaskId> {
        let assigned: BTreeSet<TaskId> = assigned.iter().map(|task| task.id).collect();
        let kept = self
            .entries
            .iter()
            .filter(|(id, e)| has_exited(&e.local) && !assigned.contains(id));
        kept.map(|(id, _)| *id).collect()
    }

    /// Of these tasks the ones that ended first, so that no more than `most` are left.
    pub fn surplus(&self, kept: &BTreeSet<TaskId>, most: usize) -> BTreeSet<TaskId> {
        let ended = |id: &TaskId| self.get(*id).map_or(Timestamp(0), |local| local.status.at);
        let mut by_age: Vec<TaskId> = kept.iter().copied().collect();
        by_age.sort_by_key(|id| (ended(id), *id));
        by_age.truncate(kept.len().saturating_sub(most));
        by_age.into_iter().collect()
    }
}

fn has_exited(local: &Local) -> bool {
    matches!(&local.container, Some(c) if matches!(c.state, ContainerState::Exited { .. }))
}
