//! How many slots a service has: which go when there are too many, which numbers are taken when there are too few.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use model::{NodeId, Slot, TaskState};

use super::SlotTasks;

/// The slots to give up, so that `replicas` are left: first those that do not run, then those on the nodes with most
/// tasks of this service, then those with the highest numbers.
pub(super) fn surplus(slots: &[SlotTasks<'_>], replicas: usize) -> BTreeSet<Slot> {
    let count = slots.len().saturating_sub(replicas);
    if count == 0 {
        return BTreeSet::new();
    }
    let node = |slot: &SlotTasks<'_>| slot.current().and_then(|task| task.node);
    let mut per_node: BTreeMap<NodeId, usize> = BTreeMap::new();
    for node in slots.iter().filter_map(node) {
        *per_node.entry(node).or_default() += 1;
    }
    let crowd = |per_node: &BTreeMap<NodeId, usize>, node: Option<NodeId>| {
        node.and_then(|node| per_node.get(&node).copied()).unwrap_or(0)
    };
    let ranks = slots.iter().map(|slot| {
        let idle = slot
            .current()
            .is_none_or(|task| task.status.state != TaskState::Running);
        (idle, crowd(&per_node, node(slot)), slot.slot, node(slot))
    });
    let mut ranks: BinaryHeap<_> = ranks.collect();
    let mut given_up = BTreeSet::new();
    while given_up.len() < count {
        let Some((idle, crowd_then, slot, node)) = ranks.pop() else {
            break;
        };
        let crowd_now = crowd(&per_node, node);
        if crowd_now < crowd_then {
            // A slot of the same node went meanwhile: it is less crowded than this slot's rank says.
            ranks.push((idle, crowd_now, slot, node));
            continue;
        }
        if let Some(left) = node.and_then(|node| per_node.get_mut(&node)) {
            *left -= 1;
        }
        given_up.insert(slot);
    }
    given_up
}

/// The lowest slot numbers that are not in use, enough to reach `wished` slots. `slots` are in order.
pub(super) fn missing(slots: &[SlotTasks<'_>], wished: usize) -> Vec<Slot> {
    let mut used = slots.iter().map(|slot| slot.slot).peekable();
    let count = wished.saturating_sub(slots.len());
    let numbers = (1..=u32::MAX).filter_map(Slot::new);
    let free = numbers.filter(|number| used.next_if_eq(number).is_none());
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
