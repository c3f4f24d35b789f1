//! Reading the board for one node: what changed since an index, and checksums as sums that the topics keep.
//!
//! A node is told all endpoints of the networks that it has tasks in (local), and of all others those that take published
//! traffic. When a network becomes local or stops being so, the node forgets its endpoints and gets them anew.

use std::collections::BTreeSet;

use model::{
    Changes, EndpointView, NetworkId, NetworkView, NodeId, NodeView, PayloadView, PeerView, Row, ServiceId,
    ServiceView, Task, TaskId, ViewDelta,
};

use super::{board::Board, endpoint, network_view, node_view, payload_view, peer, service_view, topic::Topic};

/// All keys of one network or service.
pub(super) fn of<A: Copy>(first: A) -> ((A, TaskId), (A, TaskId)) {
    ((first, TaskId::from_bits(0)), (first, TaskId::from_bits(u128::MAX)))
}

fn changes<R: Row>(keys: impl IntoIterator<Item = R::Key>, row: impl Fn(R::Key) -> Option<R>) -> Changes<R> {
    let mut changes = Changes::default();
    let keys: BTreeSet<R::Key> = keys.into_iter().collect();
    for key in keys {
        match row(key) {
            Some(row) => changes.put.push(row),
            None => changes.gone.push(key),
        }
    }
    changes
}

impl Board {
    /// The whole view of a node, or `None` if the cluster or the node is not there.
    pub(super) fn whole(&self, node: NodeId) -> Option<NodeView> {
        #[cfg(feature = "planted")]
        let node = planted::instead(planted::Bug::LeakedAssignment, node, || {
            self.view.nodes().next().map(|n| n.id)
        });
        node_view(&self.view, node, self.seq)
    }

    /// Whether what changed for `node` after `since` can be told.
    fn knows(&self, node: NodeId, since: u64) -> bool {
        let whole = [
            self.peers.knows(since),
            self.published.knows(since),
            self.services.knows(since),
            self.services_everywhere.knows(since),
        ];
        let own = self.tasks.get(&node).is_none_or(|topic| topic.knows(since));
        let payloads = self.payloads.get(&node).is_none_or(|topic| topic.knows(since));
        let scope = self.local.get(&node).is_none_or(|topic| topic.knows(since));
        let of_network = |id| {
            let services = self.services_in.get(&id);
            let endpoints = self.endpoints.get(&id);
            endpoints.is_none_or(|topic| topic.knows(since)) && services.is_none_or(|topic| topic.knows(since))
        };
        let networks = self.published_networks.knows(since);
        since >= self.floor
            && networks
            && own
            && payloads
            && scope
            && whole.iter().all(|knows| *knows)
            && self.local(node).all(of_network)
    }

    /// Networks that the node has tasks in.
    fn local(&self, node: NodeId) -> impl Iterator<Item = NetworkId> {
        self.local.get(&node).into_iter().flat_map(Topic::keys)
    }

    fn is_local(&self, node: NodeId, network: NetworkId) -> bool {
        self.local.get(&node).is_some_and(|topic| topic.get(network).is_some())
    }

    /// What changed for `node` after `since`, but for base and checksum; `None` if it is not known, or there is no node.
    /// Services are those that may have changed: the caller knows which of them the node has.
    pub(super) fn since(&self, node: NodeId, since: u64) -> Option<ViewDelta> {
        self.view.node(node)?;
        let head = self.head.filter(|_| self.knows(node, since))?;
        let scope = self.local.get(&node);
        let turned: BTreeSet<NetworkId> = scope.iter().flat_map(|topic| topic.since(since)).collect();
        Some(ViewDelta {
            base: since,
            seq: self.seq,
            checksum: 0,
            data_port: head.data_port,
            container_mtu: head.container_mtu,
            cleared: turned.iter().copied().collect(),
            peers: changes(self.peers.since(since), |id| self.peer(id)),
            networks: self.networks_since(node, since, &turned),
            tasks: self.tasks_since(node, since),
            endpoints: self.endpoints_since(node, since, &turned),
            services: self.services_since(node, since, &turned),
            payloads: self.payloads_since(node, since),
        })
    }

    fn peer(&self, id: NodeId) -> Option<PeerView> {
        self.view.node(id).and_then(peer)
    }

    fn networks_since(&self, node: NodeId, since: u64, turned: &BTreeSet<NetworkId>) -> Changes<NetworkView> {
        let candidates = turned.iter().copied().chain(self.published_networks.since(since));
        changes(candidates, |id| {
            let told = self.is_local(node, id) || self.published_networks.get(id).is_some();
            self.view.network(id).filter(|_| told).map(network_view)
        })
    }

    fn tasks_since(&self, node: NodeId, since: u64) -> Changes<Task> {
        let own = self.tasks.get(&node);
        let candidates = own.iter().flat_map(|topic| topic.since(since));
        changes(candidates.map(|(_, task)| task), |id| {
            let own = |task: &&Task| !task.status.state.is_terminal() && task.node == Some(node);
            self.view.task(id).filter(own).cloned()
        })
    }

    fn payloads_since(&self, node: NodeId, since: u64) -> Changes<PayloadView> {
        let own = self.payloads.get(&node);
        let candidates = own.iter().flat_map(|topic| topic.since(since));
        changes(candidates, |id| {
            own?.get(id)?;
            self.view.payload(id).map(payload_view)
        })
    }

    fn endpoints_since(&self, node: NodeId, since: u64, turned: &BTreeSet<NetworkId>) -> Changes<EndpointView> {
        let mut keys: Vec<(NetworkId, TaskId)> = Vec::new();
        for network in self.local(node) {
            let Some(topic) = self.endpoints.get(&network) else {
                continue;
            };
            // A network that became local: all that is there, and nothing about what is not.
            if turned.contains(&network) {
                keys.extend(topic.keys().map(|task| (network, task)));
            } else {
                keys.extend(topic.since(since).map(|task| (network, task)));
            }
        }
        for network in turned.iter().filter(|id| !self.is_local(node, **id)) {
            let (first, last) = of(*network);
            keys.extend(self.published.range(first, last));
        }
        let elsewhere = |key: &(NetworkId, TaskId)| !turned.contains(&key.0) && !self.is_local(node, key.0);
        keys.extend(self.published.since(since).filter(elsewhere));
        changes(keys, |(network, task)| {
            let topic = self.endpoints.get(&network)?;
            let told = self.is_local(node, network) || self.published.get((network, task)).is_some();
            topic.get(task).filter(|_| told)?;
            endpoint(&self.view, self.view.task(task)?, network)
        })
    }

    /// Of those that changed, only those are looked at that may be the node's: a cluster changes more than one node has.
    fn services_since(&self, node: NodeId, since: u64, turned: &BTreeSet<NetworkId>) -> Changes<ServiceView> {
        let own = self.tasks.get(&node);
        let of_tasks = own.iter().flat_map(|topic| topic.since(since));
        let changed = |id: &ServiceId| self.services.changed_at(*id).is_some_and(|at| at > since);
        let of_own = own.iter().flat_map(|topic| topic.keys().map(|(service, _)| service));
        let attached = |id: NetworkId| self.services_in.get(&id);
        let of_networks = self.local(node).filter_map(attached);
        let in_turned = turned.iter().filter_map(|id| attached(*id));
        let candidates = (self.services_everywhere.since(since))
            .chain(of_tasks.map(|(service, _)| service))
            .chain(of_own.filter(changed))
            .chain(of_networks.flat_map(|topic| topic.since(since)))
            .chain(in_turned.flat_map(|topic| topic.keys().chain(topic.since(since))));
        changes(candidates, |id| self.service(node, id))
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
        let local = self.local.get(&node).into_iter().flat_map(Topic::rows);
        local.fold(sum, |sum, (network, digest)| {
            let endpoints = self.endpoints.get(&network).map_or(0, Topic::sum);
            let published = self.published_sums.get(&network).copied().unwrap_or(0);
            let told_anyway = self.published_networks.get(network).is_some();
            sum.wrapping_add(endpoints)
                .wrapping_sub(published)
                .wrapping_add(if told_anyway { 0 } else { digest })
        })
    }
}
