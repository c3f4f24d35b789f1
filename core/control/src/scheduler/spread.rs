//! Spread: nodes without many failures lately first, then fewer tasks of this service, then fewer tasks in total, then
//! the lower node id.
//!
//! Nodes without a task of the service come first, and the state knows the order of all nodes by total: as many of them
//! as there are tasks to place are taken from its beginning. Only when they do not suffice the others are looked at. With
//! preferences all nodes are looked at, see [`tree`](super::tree).

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use model::{NodeId, Timestamp};
use store::{State, View};

use super::{filter::admits, needs::Needs, setback::unlucky_nodes, tree::Branch};

/// Failures lately, wanted tasks of the service, wanted tasks in total, node.
pub(super) type Rank = Reverse<(u32, u32, u32, NodeId)>;

/// The nodes for some tasks of one service, the best first.
pub(super) enum Choice {
    /// Over nodes only.
    Flat(Flat),
    /// Over groups of nodes.
    Tree(Branch),
}

impl Choice {
    /// For up to `count` tasks. Whatever else is placed meanwhile must not be on nodes of this choice.
    pub fn among(state: &State, needs: &Needs<'_>, count: usize, now: Timestamp) -> Self {
        let unlucky = unlucky_nodes(state, needs.service, now);
        if needs.service.spec.placement.preferences.is_empty() {
            Self::Flat(Flat::among(state, needs, count, unlucky))
        } else {
            Self::Tree(Branch::over_nodes(state, needs, &unlucky))
        }
    }

    /// The node for the next task. The task must be placed there before the next call.
    pub fn pick(&mut self, state: &State, needs: &Needs<'_>) -> Option<NodeId> {
        match self {
            Self::Flat(flat) => flat.pick(state, needs),
            Self::Tree(root) => root.pick(state, needs),
        }
    }
}

/// See the module.
pub(super) struct Flat {
    /// Without a task of the service and many failures, the best last.
    unused: Vec<NodeId>,
    /// The others; `None`: not looked at yet.
    used: Option<BinaryHeap<Rank>>,
    unlucky: BTreeMap<NodeId, u32>,
}

impl Flat {
    fn among(state: &State, needs: &Needs<'_>, count: usize, unlucky: BTreeMap<NodeId, u32>) -> Self {
        let unused = state
            .nodes_by_load()
            .filter(|(_, node)| state.load_of_service(needs.service.id, *node) == 0 && !unlucky.contains_key(node))
            .filter(|(_, node)| takes(state, needs, *node));
        let mut unused: Vec<NodeId> = unused.take(count).map(|(_, node)| node).collect();
        unused.reverse();
        Self {
            unused,
            used: None,
            unlucky,
        }
    }

    fn pick(&mut self, state: &State, needs: &Needs<'_>) -> Option<NodeId> {
        if let Some(node) = self.unused.pop() {
            return Some(node);
        }
        let unlucky = &self.unlucky;
        let used = self.used.get_or_insert_with(|| {
            let mut own: BTreeMap<NodeId, u32> = state.loads_of_service(needs.service.id).collect();
            for node in unlucky.keys() {
                own.entry(*node).or_default();
            }
            own.into_iter()
                .map(|(node, own)| {
                    let failures = unlucky.get(&node).copied().unwrap_or_default();
                    Reverse((failures, own, state.load(node), node))
                })
                .collect()
        });
        next_of(used, state, needs)
    }
}

/// The best node of `ranks` that takes a task, which is counted there.
pub(super) fn next_of(ranks: &mut BinaryHeap<Rank>, state: &State, needs: &Needs<'_>) -> Option<NodeId> {
    while let Some(Reverse((failures, own, total, node))) = ranks.pop() {
        if takes(state, needs, node) {
            ranks.push(Reverse((failures, own + 1, total + 1, node)));
            return Some(node);
        }
    }
    None
}

fn takes(view: &View, needs: &Needs<'_>, node: NodeId) -> bool {
    view.node(node).is_some_and(|node| admits(view, needs, node))
}

#[cfg(test)]
mod tests {
    use model::{Mode, ServiceId};

    use crate::testbed::Bed;

    /// Nodes of a service's tasks, in the order of slots.
    fn nodes(bed: &Bed, service: ServiceId) -> Vec<u128> {
        let tasks = bed.view().tasks_of_service(service);
        tasks.filter_map(|task| Some(task.node?.bits())).collect()
    }

    fn service(bed: &mut Bed, name: &str, replicas: u32) -> ServiceId {
        let id = bed
            .service(name, |spec| spec.mode = Mode::Replicated { replicas })
            .unwrap();
        bed.settle();
        id
    }

    #[test]
    fn own_tasks_count_before_all_tasks_before_ids() {
        let mut bed = Bed::with_nodes(3);
        let web = service(&mut bed, "web", 1);
        assert_eq!(nodes(&bed, web), [1], "the lowest id");
        let api = service(&mut bed, "api", 4);
        assert_eq!(
            nodes(&bed, api),
            [2, 3, 1, 2],
            "fewer in total, then one of its own less"
        );
        let own = bed.view().loads_of_service(api).map(|(node, own)| (node.bits(), own));
        assert_eq!(own.collect::<Vec<_>>(), [(1, 1), (2, 2), (3, 1)]);
        bed.update(web, |spec| spec.mode = Mode::Replicated { replicas: 3 });
        bed.settle();
        assert_eq!(
            nodes(&bed, web),
            [1, 3, 2],
            "none of its own first, and of those the one with fewer in total"
        );
        bed.update(web, |spec| spec.mode = Mode::Replicated { replicas: 4 });
        bed.settle();
        assert_eq!(
            nodes(&bed, web),
            [1, 3, 2, 1],
            "all have one: equal totals, the lowest id"
        );
    }
}
