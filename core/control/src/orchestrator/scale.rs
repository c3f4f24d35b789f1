//! How many slots a service has: which go when there are too many, which numbers are taken when there are too few.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use model::{NodeId, Slot, TaskState};

use super::SlotTasks;

/// The slots to give up, so that `replicas` are left: first those that do not run, then those in the branches with most
/// tasks of this service, the coarsest level of preferences before the finer ones and these before nodes, then those with
/// the highest numbers. `path` leads to a node, see [`path`](crate::scheduler::path).
pub(super) fn surplus<'a>(
    slots: &[SlotTasks<'_>],
    replicas: usize,
    path: impl Fn(NodeId) -> Vec<&'a str>,
) -> BTreeSet<Slot> {
    let count = slots.len().saturating_sub(replicas);
    if count == 0 {
        return BTreeSet::new();
    }
    let mut crowds = Crowds::default();
    let mut home = |slot: &SlotTasks<'_>| {
        let node = slot.current().and_then(|task| task.node);
        node.map_or_else(Vec::new, |node| crowds.enter(path(node), node))
    };
    let homes: Vec<Home> = slots.iter().map(&mut home).collect();
    let ranks = slots.iter().zip(homes).map(|(slot, home)| {
        let idle = slot
            .current()
            .is_none_or(|task| task.status.state != TaskState::Running);
        (idle, crowds.around(&home), slot.slot, home)
    });
    let mut ranks: BinaryHeap<_> = ranks.collect();
    let mut given_up = BTreeSet::new();
    while given_up.len() < count {
        let Some((idle, crowd_then, slot, home)) = ranks.pop() else {
            break;
        };
        let crowd_now = crowds.around(&home);
        if crowd_now < crowd_then {
            // Slots near by went meanwhile: it is less crowded than this slot's rank says.
            ranks.push((idle, crowd_now, slot, home));
            continue;
        }
        crowds.leave(&home);
        given_up.insert(slot);
    }
    given_up
}

/// The branches that a slot is in, the coarsest first and the node last, as numbers of [`Crowds`].
type Home = Vec<usize>;

/// How many slots each branch of the tree of preferences has, and each node.
#[derive(Default)]
struct Crowds<'a> {
    numbers: BTreeMap<(Vec<&'a str>, Option<NodeId>), usize>,
    slots: Vec<usize>,
}

impl<'a> Crowds<'a> {
    /// One slot more on a node.
    fn enter(&mut self, path: Vec<&'a str>, node: NodeId) -> Home {
        let levels = (1..=path.len()).map(|level| (path[..level].to_vec(), None));
        let levels: Vec<_> = levels.chain([(path.clone(), Some(node))]).collect();
        let number = |branch| {
            let next = self.numbers.len();
            let number = *self.numbers.entry(branch).or_insert(next);
            self.slots.resize(self.numbers.len(), 0);
            self.slots[number] += 1;
            number
        };
        levels.into_iter().map(number).collect()
    }

    fn leave(&mut self, home: &Home) {
        home.iter().for_each(|branch| self.slots[*branch] -= 1);
    }

    fn around(&self, home: &Home) -> Vec<usize> {
        home.iter().map(|branch| self.slots[*branch]).collect()
    }
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
            surplus(&slots(&tasks), replicas, |_| Vec::new())
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
    fn what_remains_stays_spread_over_zones_before_racks_before_nodes() {
        use TaskState::Running;
        let paths = [["a", "1"], ["a", "1"], ["a", "2"], ["b", "1"]];
        let path = |node: NodeId| paths[node.bits() as usize - 1].to_vec();
        let nodes = [1, 2, 2, 3, 4, 4, 4];
        let tasks: Vec<Task> = (1..).zip(nodes).map(|(slot, node)| on(slot, node, Running)).collect();
        let slots = slots(&tasks);
        let left = |replicas| {
            let gone = surplus(&slots, replicas, path);
            let left = slots.iter().filter(|slot| !gone.contains(&slot.slot));
            left.filter_map(|slot| slot.current()?.node)
                .map(NodeId::bits)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            left(6),
            [1, 2, 3, 4, 4, 4],
            "zone a has more, rack 1 of it, node 2 of it"
        );
        assert_eq!(left(5), [1, 2, 3, 4, 4], "equal zones: the more crowded rack");
        assert_eq!(left(4), [1, 3, 4, 4]);
        assert_eq!(left(2), [1, 4]);
    }

    #[test]
    fn the_lowest_free_numbers_are_taken() {
        let tasks = [on(2, 1, TaskState::Running), on(5, 1, TaskState::Running)];
        let new: Vec<u32> = missing(&slots(&tasks), 5).into_iter().map(Slot::get).collect();
        assert_eq!(new, [1, 3, 4]);
    }
}
