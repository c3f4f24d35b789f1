//! Spread: fewer tasks of this service first, then fewer tasks in total, then the lower node id.

use std::collections::BTreeMap;

use model::{NodeId, ServiceId, Task};
use store::View;

/// How many wanted tasks each node has.
#[derive(Default)]
pub(super) struct Loads {
    total: BTreeMap<NodeId, usize>,
    of_service: BTreeMap<(ServiceId, NodeId), usize>,
}

impl Loads {
    pub fn of(view: &View) -> Self {
        let mut loads = Self::default();
        if view.tasks_without_node().next().is_some() {
            for node in view.nodes() {
                for task in view.tasks_on_node(node.id).filter(|task: &&Task| task.is_live()) {
                    loads.add(node.id, task.service);
                }
            }
        }
        loads
    }

    pub fn add(&mut self, node: NodeId, service: ServiceId) {
        *self.total.entry(node).or_default() += 1;
        *self.of_service.entry((service, node)).or_default() += 1;
    }

    pub fn pick(&self, service: ServiceId, nodes: &[NodeId]) -> Option<NodeId> {
        let load = |node: &NodeId| {
            let own = self.of_service.get(&(service, *node)).copied().unwrap_or(0);
            (own, self.total.get(node).copied().unwrap_or(0), *node)
        };
        nodes.iter().copied().min_by_key(load)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_tasks_count_before_all_tasks_before_ids() {
        let (web, api) = (ServiceId::from_bits(1), ServiceId::from_bits(2));
        let [a, b, c] = [1, 2, 3].map(NodeId::from_bits);
        let mut loads = Loads::default();
        assert_eq!(loads.pick(web, &[c, b, a]), Some(a), "the lowest id");
        loads.add(a, api);
        assert_eq!(loads.pick(web, &[a, b, c]), Some(b), "fewer in total");
        loads.add(b, web);
        loads.add(c, api);
        loads.add(c, api);
        assert_eq!(
            loads.pick(web, &[a, b, c]),
            Some(a),
            "none of its own, and fewer in total than c"
        );
        assert_eq!(loads.pick(web, &[b, c]), Some(c), "none of its own");
        assert_eq!(loads.pick(web, &[]), None);
    }
}
