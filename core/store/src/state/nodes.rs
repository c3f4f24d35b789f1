//! Nodes, and what tasks take of them.

use model::{Node, NodeId, NodeTrust, ServiceId};

use super::State;
use crate::Reserved;

impl State {
    /// What a node has of the cluster's authority, as it said last.
    pub fn node_trust(&self, id: NodeId) -> Option<&NodeTrust> {
        self.tables.trust.get(&id).map(AsRef::as_ref)
    }

    /// A node by id.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.tables.nodes.get(&id).map(AsRef::as_ref)
    }

    /// All nodes in the order of their ids.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.tables.nodes.values().map(AsRef::as_ref)
    }

    /// The nodes that are managers, that shall be, or that raft still has as members, in the order of their ids.
    pub fn managers(&self) -> impl Iterator<Item = &Node> {
        self.indexes.managers.iter().filter_map(|id| self.node(*id))
    }

    /// The node that is raft's member with this id.
    pub fn member(&self, raft_id: u64) -> Option<&Node> {
        self.managers().find(|node| node.raft_id == Some(raft_id))
    }

    /// Highest raft id that any node ever had; the next manager gets one more.
    pub fn highest_raft_id(&self) -> u64 {
        #[cfg(feature = "planted")]
        if planted::is(planted::Bug::RaftIdReused) {
            return self.managers().filter_map(|node| node.raft_id).max().unwrap_or(0);
        }
        self.tables.highest_raft_id
    }

    /// The nodes with how many wanted tasks they have, those with few first, equal ones by id.
    pub fn nodes_by_load(&self) -> impl Iterator<Item = (u32, NodeId)> {
        self.indexes.loads.ascending()
    }

    /// How many wanted tasks a node has.
    pub fn load(&self, node: NodeId) -> u32 {
        self.indexes.loads.of(node)
    }

    /// The nodes that have wanted tasks of a service, with how many.
    pub fn loads_of_service(&self, service: ServiceId) -> impl Iterator<Item = (NodeId, u32)> {
        self.indexes.loads.of_service(service)
    }

    /// How many wanted tasks of a service a node has.
    pub fn load_of_service(&self, service: ServiceId, node: NodeId) -> u32 {
        self.indexes.loads.of_service_on(service, node)
    }

    /// What the tasks on a node have reserved of it.
    pub fn reserved_on(&self, node: NodeId) -> Reserved {
        self.indexes.reservations.of(node)
    }
}
