//! How many wanted tasks each node has, in total and of each service, and the nodes in the order of their totals: the
//! scheduler looks at those with few first.

use imbl::{OrdMap, OrdSet};
use model::{NodeId, ServiceId};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loads {
    of_node: OrdMap<NodeId, u32>,
    by_load: OrdSet<(u32, NodeId)>,
    of_service: OrdMap<(ServiceId, NodeId), u32>,
}

impl Loads {
    /// Nodes from the one with the fewest tasks on, equal ones by id.
    pub fn ascending(&self) -> impl Iterator<Item = (u32, NodeId)> {
        self.by_load.iter().copied()
    }

    pub fn of(&self, node: NodeId) -> u32 {
        self.of_node.get(&node).copied().unwrap_or(0)
    }

    /// A node is there, with the tasks that it may have from before.
    pub fn link_node(&mut self, node: NodeId) {
        self.set(node, self.of(node));
    }

    /// A node is forgotten; nothing that is wanted is on it.
    pub fn unlink_node(&mut self, node: NodeId) {
        if let Some(load) = self.of_node.remove(&node) {
            self.by_load.remove(&(load, node));
        }
    }

    /// The nodes that have wanted tasks of a service, with how many.
    pub fn of_service(&self, service: ServiceId) -> impl Iterator<Item = (NodeId, u32)> {
        let (first, last) = (NodeId::from_bits(0), NodeId::from_bits(u128::MAX));
        let counts = self.of_service.range((service, first)..=(service, last));
        counts.map(|((_, node), count)| (*node, *count))
    }

    pub fn of_service_on(&self, service: ServiceId, node: NodeId) -> u32 {
        self.of_service.get(&(service, node)).copied().unwrap_or(0)
    }

    pub fn add(&mut self, node: NodeId, service: ServiceId) {
        self.set(node, self.of(node) + 1);
        let own = self.of_service_on(service, node);
        self.of_service.insert((service, node), own + 1);
    }

    pub fn remove(&mut self, node: NodeId, service: ServiceId) {
        self.set(node, self.of(node).saturating_sub(1));
        match self.of_service_on(service, node) {
            0 | 1 => self.of_service.remove(&(service, node)),
            own => self.of_service.insert((service, node), own - 1),
        };
    }

    fn set(&mut self, node: NodeId, load: u32) {
        if let Some(before) = self.of_node.insert(node, load) {
            self.by_load.remove(&(before, node));
        }
        self.by_load.insert((load, node));
    }
}
