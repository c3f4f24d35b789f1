//! Tasks: of a service, in a slot, on a node, and those that somebody has to look at.

use model::{NodeId, ServiceId, Slot, Task, TaskId};

use super::State;

impl State {
    /// A task by id.
    pub fn task(&self, id: TaskId) -> Option<&Task> {
        self.tables.tasks.get(&id).map(AsRef::as_ref)
    }

    /// All tasks in the order of their ids.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tables.tasks.values().map(AsRef::as_ref)
    }

    /// The tasks of a service, by slot, the ended ones too. Also of a service that is no more.
    pub fn tasks_of_service(&self, service: ServiceId) -> impl DoubleEndedIterator<Item = &Task> {
        let first = (service, Slot::MIN, TaskId::from_bits(0));
        let last = (service, Slot::MAX, TaskId::from_bits(u128::MAX));
        let keys = self.indexes.tasks_of_service.range(first..=last);
        keys.filter_map(|(_, _, task)| self.task(*task))
    }

    /// The tasks of one slot of a service, the ended ones too.
    pub fn tasks_in_slot(&self, service: ServiceId, slot: Slot) -> impl Iterator<Item = &Task> {
        let first = (service, slot, TaskId::from_bits(0));
        let last = (service, slot, TaskId::from_bits(u128::MAX));
        let keys = self.indexes.tasks_of_service.range(first..=last);
        keys.filter_map(|(_, _, task)| self.task(*task))
    }

    /// The tasks on a node, the ended ones too.
    pub fn tasks_on_node(&self, node: NodeId) -> impl Iterator<Item = &Task> {
        let first = (node, TaskId::from_bits(0));
        let last = (node, TaskId::from_bits(u128::MAX));
        let keys = self.indexes.tasks_on_node.range(first..=last);
        keys.filter_map(|(_, task)| self.task(*task))
    }

    /// The tasks that have no node yet.
    pub fn tasks_without_node(&self) -> impl Iterator<Item = &Task> {
        self.indexes.tasks_without_node.iter().filter_map(|id| self.task(*id))
    }

    /// The tasks that are wanted `Ready`: they wait for their restart delay, or for their predecessor to end.
    pub fn tasks_waiting(&self) -> impl Iterator<Item = &Task> {
        self.indexes.tasks_waiting.iter().filter_map(|id| self.task(*id))
    }

    /// The wanted tasks of a service that have setbacks behind them.
    pub fn unlucky_tasks(&self, service: ServiceId) -> impl Iterator<Item = &Task> {
        let (first, last) = (TaskId::from_bits(0), TaskId::from_bits(u128::MAX));
        let keys = self
            .indexes
            .reservations
            .unlucky
            .range((service, first)..=(service, last));
        keys.filter_map(|(_, task)| self.task(*task))
    }
}
