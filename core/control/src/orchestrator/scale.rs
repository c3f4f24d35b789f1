//! How many slots a service has: which go when there are too many, which numbers are taken when there are too few.

use std::collections::{BTreeMap, BTreeSet};

use model::{NodeId, Slot, TaskState};

use super::SlotTasks;

/// The slots to give up, so that `replicas` are left: first those that do not run, then those on the nodes with most
/// tasks of this service, then those with the highest numbers.
pub(super) fn surplus(slots: &[SlotTasks<'_>], replicas: usize) -> BTreeSet<Slot> {
    let mut per_node: BTreeMap<NodeId, usize> = BTreeMap::new();
    for node in slots.iter().filter_map(|s| s.current()?.node) {
        *per_node.entry(node).or_default() += 1;
    }
    let mut left: Vec<&SlotTasks<'_>> = slots.iter().collect();
    let mut given_up = BTreeSet::new();
    while left.len() > replicas {
        let worth = |slot: &&SlotTasks<'_>| {
            let current = slot.current();
            let runs = current.is_some_and(|task| task.status.state == TaskState::Running);
            let crowd = current
                .and_then(|t| t.node)
                .map_or(0, |node| per_node.get(&node).copied().unwrap_or(0));
            (runs, std::cmp::Reverse(crowd), std::cmp::Reverse(slot.slot))
        };
        let Some(worst) = (0..left.len()).min_by_key(|i| worth(&left[*i])) else {
            break;
        };
        let slot = left.swap_remove(worst);
        if let Some(count) = slot
            .current()
            .and_then(|t| t.node)
            .and_then(|node| per_node.get_mut(&node))
        {
            *count -= 1;
        }
        given_up.insert(slot.slot);
    }
    given_up
}

/// The lowest slot numbers that are not in use, enough to reach `replicas`.
pub(super) fn missing(slots: &[SlotTasks<'_>], replicas: u32) -> Vec<Slot> {
    let used: BTreeSet<Slot> = slots.iter().map(|slot| slot.slot).collect();
    let count = (replicas as usize).saturating_sub(used.len());
    let free = (1..=u32::MAX).filter_map(Slot::new).filter(|slot| !used.contains(slot));
    free.take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::task;
    use model::Task;

    fn slots(tasks: &[Task]) -> Vec<SlotTasks<'_>> {
        let one = |task| SlotTasks {
            slot: Task::clone(task).slot,
            tasks: vec![task],
        };
        tasks.iter().map(one).collect()
    }

    fn on(slot: u32, node: u128, state: TaskState) -> Task {
        let mut task = task(u128::from(slot));
        task.slot = Slot::new(slot).unwrap();
        task.node = Some(NodeId::from_bits(node));
        task.status.state = state;
        task
    }

    #[test]
    fn slots_that_do_not_run_go_first_then_those_in_the_crowd() {
        use TaskState::{Assigned, Running};
        let tasks = [
            on(1, 1, Running),
            on(2, 1, Running),
            on(3, 2, Running),
            on(4, 3, Assigned),
        ];
        let gone = |replicas| {
            surplus(&slots(&tasks), replicas)
                .into_iter()
                .map(Slot::get)
                .collect::<Vec<_>>()
        };
        assert_eq!(gone(4), []);
        assert_eq!(gone(3), [4]);
        assert_eq!(gone(2), [2, 4]);
        assert_eq!(gone(1), [2, 3, 4]);
        assert_eq!(gone(0), [1, 2, 3, 4]);
    }

    #[test]
    fn the_lowest_free_numbers_are_taken() {
        let tasks = [on(2, 1, TaskState::Running), on(5, 1, TaskState::Running)];
        let new: Vec<u32> = missing(&slots(&tasks), 5).into_iter().map(Slot::get).collect();
        assert_eq!(new, [1, 3, 4]);
    }
}
