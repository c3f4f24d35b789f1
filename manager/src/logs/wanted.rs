//! Whose logs are read, and from where on.

use std::collections::{BTreeMap, BTreeSet};

use model::{NodeId, ServiceId, Task, TaskId, Timestamp};
use store::{Event, View};

use super::desk::Position;

/// Whose logs, and how much of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) services: BTreeSet<ServiceId>,
    pub(crate) tasks: BTreeSet<TaskId>,
    pub(crate) follow: bool,
    pub(crate) details: bool,
    pub(crate) tail: Option<u64>,
    /// Only lines later than that.
    pub(crate) after: Timestamp,
    /// Of these tasks only what is later.
    pub(crate) seen: BTreeMap<TaskId, Timestamp>,
}

impl Wanted {
    /// The tasks that have a node, by node.
    pub(super) fn by_node<'a>(&self, view: &'a View) -> BTreeMap<NodeId, Vec<&'a Task>> {
        let of_services = self.services.iter().flat_map(|service| view.tasks_of_service(*service));
        let named = self.tasks.iter().filter_map(|task| view.task(*task));
        let mut found: BTreeMap<NodeId, BTreeMap<TaskId, &Task>> = BTreeMap::new();
        for task in of_services.chain(named) {
            if let Some(node) = task.node.filter(|node| view.node(*node).is_some()) {
                found.entry(node).or_default().insert(task.id, task);
            }
        }
        let tasks = |(node, tasks): (NodeId, BTreeMap<TaskId, &'a Task>)| (node, tasks.into_values().collect());
        found.into_iter().map(tasks).collect()
    }

    pub(super) fn position(&self, task: TaskId) -> Position {
        match self.seen.get(&task) {
            Some(at) => Position {
                after: self.after.max(*at),
                tail: None,
            },
            None => Position {
                after: self.after,
                tail: self.tail,
            },
        }
    }

    /// Whether something has become of it.
    pub(super) fn is_touched(&self, event: &Event) -> bool {
        match event {
            Event::Service(service) => self.services.contains(service),
            Event::Task { task, service, .. } => self.services.contains(service) || self.tasks.contains(task),
            _ => false,
        }
    }

    /// What was read of a task is not read again, also if more was to come. Of one whose log is `complete` and had no
    /// lines, everything is new.
    pub(super) fn remember(&mut self, task: TaskId, seen: Option<Timestamp>, complete: bool) {
        let nothing = || complete.then(Timestamp::default);
        if let Some(at) = seen.or_else(nothing) {
            let known = self.seen.entry(task).or_default();
            *known = at.max(*known);
        }
    }
}

#[cfg(test)]
mod tests {
    use model::Slot;

    use super::*;

    fn task(task: u128, service: u128) -> Event {
        Event::Task {
            task: TaskId::from_bits(task),
            service: ServiceId::from_bits(service),
            slot: Slot::MIN,
            node: None,
            ended: false,
        }
    }

    #[test]
    fn only_what_is_wanted_touches_it() {
        let wanted = Wanted {
            services: [ServiceId::from_bits(1)].into(),
            tasks: [TaskId::from_bits(7)].into(),
            ..Wanted::default()
        };
        let touched = [task(5, 1), task(7, 2), Event::Service(ServiceId::from_bits(1))];
        assert!(touched.iter().all(|event| wanted.is_touched(event)));
        let others = [task(5, 2), Event::Service(ServiceId::from_bits(2)), Event::Cluster];
        assert!(!others.iter().any(|event| wanted.is_touched(event)));
    }

    #[test]
    fn what_was_read_is_not_read_again_though_its_node_went_missing() {
        let (read, silent, empty) = (TaskId::from_bits(1), TaskId::from_bits(2), TaskId::from_bits(3));
        let mut wanted = Wanted {
            tail: Some(10),
            ..Wanted::default()
        };
        wanted.remember(read, Some(Timestamp(9)), false);
        wanted.remember(silent, None, false);
        wanted.remember(empty, None, true);
        let position = |task| wanted.position(task);
        assert_eq!((position(read).after, position(read).tail), (Timestamp(9), None));
        assert_eq!(position(silent).tail, Some(10), "nothing came of it");
        assert_eq!((position(empty).after, position(empty).tail), (Timestamp(0), None));
    }
}
