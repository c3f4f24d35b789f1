//! The tasks of one slot, and which of them counts.

use std::collections::BTreeMap;

use model::{DesiredState, NodeState, Service, ServiceId, Slot, Task};
use store::View;

/// The tasks of one slot that are not to be forgotten, oldest first.
pub(crate) struct SlotTasks<'a> {
    pub slot: Slot,
    pub tasks: Vec<&'a Task>,
}

/// The slots of a service that have tasks which are not to be forgotten.
pub(crate) fn slots_of(view: &View, service: ServiceId) -> Vec<SlotTasks<'_>> {
    let mut slots: BTreeMap<Slot, Vec<&Task>> = BTreeMap::new();
    for task in view
        .tasks_of_service(service)
        .filter(|t| t.desired < DesiredState::Remove)
    {
        slots.entry(task.slot).or_default().push(task);
    }
    for tasks in slots.values_mut() {
        tasks.sort_by_key(|task| (task.created_at, task.id));
    }
    let pairs = slots.into_iter();
    pairs.map(|(slot, tasks)| SlotTasks { slot, tasks }).collect()
}

impl<'a> SlotTasks<'a> {
    /// The wanted tasks that have not ended. One, unless something went wrong.
    pub fn live(&self) -> impl Iterator<Item = &'a Task> {
        self.tasks.iter().copied().filter(|task| task.is_live())
    }

    /// The task that fills the slot: the furthest live one.
    pub fn current(&self) -> Option<&'a Task> {
        self.live()
            .max_by_key(|task| (task.status.state, task.created_at, task.id))
    }

    /// The task made last.
    pub fn newest(&self) -> Option<&'a Task> {
        self.tasks.last().copied()
    }
}

/// Whether a task cannot stay where it is: its node is down, being drained, or fails the service's constraints.
pub(crate) fn is_misplaced(view: &View, service: &Service, task: &Task) -> bool {
    let Some(node) = task.node.and_then(|id| view.node(id)) else {
        return task.node.is_some();
    };
    node.status.state == NodeState::Down
        || node.spec.availability == model::Availability::Drain
        || !crate::scheduler::meets_constraints(service, node)
}

/// Whether somebody can still report that the task has ended.
pub(crate) fn may_run(view: &View, task: &Task) -> bool {
    let node = task.node.and_then(|id| view.node(id));
    !task.status.state.is_terminal() && node.is_some_and(|node| node.status.state != NodeState::Down)
}

/// The tasks of the same slot that `task` replaces and that may still run.
pub(crate) fn predecessors<'a>(view: &'a View, task: &'a Task) -> impl Iterator<Item = &'a Task> {
    view.tasks_in_slot(task.service, task.slot)
        .filter(move |old| old.id != task.id)
        .filter(|old| old.desired == DesiredState::Shutdown && may_run(view, old))
}
