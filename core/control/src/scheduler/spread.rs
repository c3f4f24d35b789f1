//! Spread: fewer tasks of this service first, then fewer tasks in total, then the lower node id.
//!
//! Nodes without a task of the service come first, and the state knows the order of all nodes by total: as many of them
//! as there are tasks to place are taken from its beginning. Only when they do not suffice the others are looked at.

use std::{cmp::Reverse, collections::BinaryHeap};

use model::{NodeId, Service};
use store::{State, View};

use super::filter::admits;

/// Wanted tasks of the service, wanted tasks in total, node.
type Rank = Reverse<(u32, u32, NodeId)>;

/// The nodes for some tasks of one service, the best first.
pub(super) struct Choice {
    /// Without a task of the service, the best last.
    unused: Vec<NodeId>,
    /// With tasks of the service; `None`: not looked at yet.
    used: Option<BinaryHeap<Rank>>,
}

impl Choice {
    /// For up to `count` tasks of `service`. Whatever else is placed meanwhile must not be on nodes of this choice.
    pub fn among(state: &State, service: &Service, count: usize) -> Self {
        let unused = state
            .nodes_by_load()
            .filter(|(_, node)| state.load_of_service(service.id, *node) == 0)
            .filter(|(_, node)| takes(state, service, *node));
        let mut unused: Vec<NodeId> = unused.take(count).map(|(_, node)| node).collect();
        unused.reverse();
        Self { unused, used: None }
    }

    /// The node for the next task. The task must be placed there before the next call.
    pub fn pick(&mut self, state: &State, service: &Service) -> Option<NodeId> {
        if let Some(node) = self.unused.pop() {
            return Some(node);
        }
        let used = self.used.get_or_insert_with(|| {
            let counts = state.loads_of_service(service.id);
            counts
                .map(|(node, own)| Reverse((own, state.load(node), node)))
                .collect()
        });
        while let Some(Reverse((own, total, node))) = used.pop() {
            if takes(state, service, node) {
                used.push(Reverse((own + 1, total + 1, node)));
                return Some(node);
            }
        }
        None
    }
}

fn takes(view: &View, service: &Service, node: NodeId) -> bool {
    view.node(node).is_some_and(|node| admits(view, service, node))
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
