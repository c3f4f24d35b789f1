//! The tasks of one slot, and which of them counts.

use model::{DesiredState, NodeId, NodeState, Service, ServiceId, Slot, Task};
use store::View;

use crate::{
    dirty::Scope,
    scheduler::{is_crowded_out, meets_constraints},
};

/// The tasks of one slot that are not to be forgotten, oldest first.
pub(crate) struct SlotTasks<'a> {
    pub slot: Slot,
    pub tasks: Vec<&'a Task>,
}

/// The tasks of a service in a scope, by slot, the ended ones too.
pub(crate) fn tasks_of<'a>(
    view: &'a View,
    service: ServiceId,
    scope: &'a Scope,
) -> Box<dyn Iterator<Item = &'a Task> + 'a> {
    match scope {
        Scope::Whole => Box::new(view.tasks_of_service(service)),
        Scope::Slots(slots) => Box::new(slots.iter().flat_map(move |slot| view.tasks_in_slot(service, *slot))),
    }
}

/// The slots of a service in a scope that have tasks which are not to be forgotten, in order.
pub(crate) fn slots_of<'a>(view: &'a View, service: ServiceId, scope: &'a Scope) -> Vec<SlotTasks<'a>> {
    let mut slots: Vec<SlotTasks<'_>> = Vec::new();
    for task in tasks_of(view, service, scope).filter(|t| t.desired < DesiredState::Remove) {
        match slots.last_mut().filter(|last| last.slot == task.slot) {
            Some(last) => last.tasks.push(task),
            None => slots.push(SlotTasks {
                slot: task.slot,
                tasks: vec![task],
            }),
        }
    }
    for slot in &mut slots {
        slot.tasks.sort_by_key(|task| (task.created_at, task.id));
    }
    slots
}

/// As [`slots_of`], without the service's canaries.
pub(crate) fn slots_without_canaries<'a>(view: &'a View, service: &Service, scope: &'a Scope) -> Vec<SlotTasks<'a>> {
    let mut slots = slots_of(view, service.id, scope);
    for slot in &mut slots {
        slot.tasks.retain(|task| !service.is_canary(task.spec_version));
    }
    slots.retain(|slot| !slot.tasks.is_empty());
    slots
}

impl<'a> SlotTasks<'a> {
    /// The wanted tasks that have not ended. One, or two while one is about to take the other's place.
    pub fn live(&self) -> impl Iterator<Item = &'a Task> {
        self.tasks.iter().copied().filter(|task| task.is_live())
    }

    /// The task that fills the slot: the furthest live one.
    pub fn current(&self) -> Option<&'a Task> {
        self.live()
            .max_by_key(|task| (task.status.state, task.created_at, task.id))
    }

    /// The furthest live task that fulfils `condition`; of two that are equally far the one of this spec version.
    pub fn furthest(&self, version: u64, condition: impl Fn(&&'a Task) -> bool) -> Option<&'a Task> {
        let rank = |task: &&Task| {
            (
                task.status.state,
                task.spec_version == version,
                task.created_at,
                task.id,
            )
        };
        self.live().filter(condition).max_by_key(rank)
    }

    /// The one node that its tasks are for, of a global service or job.
    pub fn pinned(&self) -> Option<NodeId> {
        self.newest()?.pinned
    }

    /// The task that ended last without anything being decided about it, else the one made last: after it comes the next.
    pub fn last(&self) -> Option<&'a Task> {
        let unattended = self.tasks.iter().rfind(|task| task.desired < DesiredState::Shutdown);
        unattended.copied().or(self.newest())
    }

    /// The task made last.
    pub fn newest(&self) -> Option<&'a Task> {
        self.tasks.last().copied()
    }
}

/// Whether a task cannot stay where it is: its node is down, being drained, too small, or fails the service's
/// constraints.
pub(crate) fn is_misplaced(view: &View, service: &Service, task: &Task) -> bool {
    let Some(node) = task.node.and_then(|id| view.node(id)) else {
        return task.node.is_some();
    };
    node.status.state == NodeState::Down
        || node.spec.availability == model::Availability::Drain
        || !meets_constraints(service, node)
        || is_crowded_out(view, node, task)
}

/// Whether somebody can still report that the task has ended.
pub(crate) fn may_run(view: &View, task: &Task) -> bool {
    #[cfg(feature = "planted")]
    if planted::is(planted::Bug::ReplacementDoesNotWait) {
        return false;
    }
    let node = task.node.and_then(|id| view.node(id));
    !task.status.state.is_terminal() && node.is_some_and(|node| node.status.state != NodeState::Down)
}

/// The tasks of the same slot that `task` replaces and that may still run, those of a slot that was given up meanwhile
/// too; of a job's also those of earlier runs.
pub(crate) fn predecessors<'a>(view: &'a View, task: &'a Task) -> impl Iterator<Item = &'a Task> {
    view.tasks_in_slot(task.service, task.slot)
        .filter(move |old| old.id != task.id)
        .filter(move |old| old.desired >= DesiredState::Shutdown || old.job_iteration != task.job_iteration)
        .filter(|old| may_run(view, old))
}
