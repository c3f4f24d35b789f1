//! Reading the board for one node: all of it, what changed since an index, and checksums as sums that the topics keep.
//!
//! A node is told all endpoints of the networks that it has tasks in (local), and of all others those that take published
//! traffic. When a network becomes local or stops being so, the node forgets its endpoints and gets them anew.

mod look;

use model::{NetworkId, NodeId, NodeView, ServiceId, ServiceView, TaskId, ViewDelta};

use super::{
    board::{Board, EndpointRow},
    node_view, service_view,
    topic::Topic,
};
use look::Look;

/// All keys of one network or service.
pub(super) fn of<A: Copy>(first: A) -> ((A, TaskId), (A, TaskId)) {
    ((first, TaskId::from_bits(0)), (first, TaskId::from_bits(u128::MAX)))
}

impl<E: EndpointRow> Board<E> {
    /// The whole view of a node, or `None` if the cluster or the node is not there.
    pub(super) fn whole(&self, node: NodeId) -> Option<NodeView> {
        #[cfg(feature = "planted")]
        let node = planted::instead(planted::Bug::LeakedAssignment, node, || {
            self.view.nodes().next().map(|n| n.id)
        });
        node_view(&self.view, node, self.seq)
    }

    /// What changed for `node` after `since`, but for base and checksum; `None` if it is not known, or there is no node.
    /// Services are those that may have changed: the caller knows which of them the node has.
    pub(super) fn since(&self, node: NodeId, since: u64) -> Option<ViewDelta<E>> {
        self.view.node(node)?;
        let head = self.head?;
        let look = Look::of(self, node, since)?;
        Some(ViewDelta {
            base: since,
            seq: self.seq,
            checksum: 0,
            data_port: head.data_port,
            container_mtu: head.container_mtu,
            cleared: look.turned.iter().copied().collect(),
            peers: look.peers(),
            networks: look.networks(),
            tasks: look.tasks(),
            endpoints: look.endpoints(),
            services: look.services(),
            payloads: look.payloads(),
        })
    }

    fn is_local(&self, node: NodeId, network: NetworkId) -> bool {
        self.local.get(&node).is_some_and(|topic| topic.get(network).is_some())
    }

    /// The service as `node` is told it, if it is.
    fn service(&self, node: NodeId, id: ServiceId) -> Option<ServiceView> {
        let local = |network| self.is_local(node, network);
        let attached = || {
            self.attached
                .get(&id)
                .is_some_and(|networks| networks.iter().copied().any(local))
        };
        let (first, last) = of(id);
        let own = || {
            let own = self.tasks.get(&node);
            own.is_some_and(|topic| topic.range(first, last).next().is_some())
        };
        let told = self.publishers.contains_key(&id) || attached() || own();
        let service = self.view.service(id).filter(|_| told)?;
        Some(service_view(service, local))
    }

    /// All services that `node` is told.
    pub(super) fn services_of(&self, node: NodeId) -> impl Iterator<Item = ServiceView> {
        self.services.keys().filter_map(move |id| self.service(node, id))
    }

    /// Checksum of the node's view without its services; see [`NodeView::checksum`].
    pub(super) fn checksum(&self, node: NodeId) -> u64 {
        let head = self.head.map_or(0, |head| head.view(node, 0).head_digest());
        let shared = [
            self.tasks.get(&node).map_or(0, Topic::sum),
            self.payloads.get(&node).map_or(0, Topic::sum),
            self.peers.sum(),
            self.published.sum(),
            self.published_networks.sum(),
        ];
        let sum = shared.into_iter().fold(head, u64::wrapping_add);
        let local = self.local.get(&node).into_iter().flat_map(Topic::digests);
        local.fold(sum, |sum, (network, digest)| {
            let inner = self.rooms.get(&network).map_or(0, |room| room.inner_sum());
            let told_anyway = self.published_networks.get(network).is_some();
            sum.wrapping_add(inner)
                .wrapping_add(if told_anyway { 0 } else { digest })
        })
    }
}
