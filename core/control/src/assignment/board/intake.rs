//! Taking in what was applied: each event is looked up in the new state, and its rows are set in their topics.

use std::collections::{BTreeMap, BTreeSet};

use model::{NetworkId, NodeId, NodeState, PayloadId, Row, Service, ServiceId, Task, TaskId};
use store::Event;

use super::{
    super::{
        endpoint, gateway, gateway_of, network_view, payload_view, payloads_of, peer, publishes, told::of, topic::Topic,
    },
    Board, EndpointRow, Head, Place, Touched,
    room::Room,
};

impl<E: EndpointRow> Board<E> {
    pub(super) fn take(&mut self, event: &Event, touched: &mut Touched) {
        match event {
            Event::Cluster => self.take_head(touched),
            Event::Node(node) => self.take_node(*node, touched),
            Event::Network(network) => self.take_network(*network, touched),
            Event::Service(service) => self.take_service(*service, touched),
            Event::Payload { id, .. } => self.take_payload(*id, touched),
            Event::Task { task, .. } => self.take_task(*task, touched),
        }
    }

    pub(super) fn take_head(&mut self, touched: &mut Touched) {
        let head = Head::of(&self.view);
        touched.everyone |= head != self.head;
        self.head = head;
    }

    pub(super) fn take_node(&mut self, id: NodeId, touched: &mut Touched) {
        let view = self.view.clone();
        let node = view.node(id);
        let row = node.and_then(peer).map(|peer| peer.digest());
        touched.everyone |= self.peers.set(self.seq, id, row);
        // Also if nothing is to be told: a session of a node that is no more has to end.
        touched.nodes.insert(id);
        let down = node.is_some_and(|node| node.status.state == NodeState::Down);
        let turned = if down {
            self.down.insert(id)
        } else {
            self.down.remove(&id)
        };
        if turned {
            let tasks: Vec<TaskId> = view.tasks_on_node(id).map(|task| task.id).collect();
            tasks.into_iter().for_each(|task| self.take_task(task, touched));
        }
        if node.is_none() {
            self.tasks.remove(&id);
            self.local.remove(&id);
            self.payloads.remove(&id);
        }
        self.take_head(touched);
    }

    pub(super) fn take_network(&mut self, id: NetworkId, touched: &mut Touched) {
        let here: Vec<NodeId> = self.nodes_in(id).collect();
        for node in here {
            self.set_local(id, node, touched);
        }
        if self.view.network(id).is_none() {
            let left = self.rooms.remove(&id);
            for task in left.iter().flat_map(|room| room.endpoints.keys()) {
                touched.everyone |= self.published.set(self.seq, (id, task), None);
            }
            for service in left.iter().flat_map(|room| room.services.since(0)) {
                self.services_everywhere.touch(self.seq, service);
            }
        }
        self.take_publishing(id, touched);
    }

    pub(super) fn nodes_in(&self, network: NetworkId) -> impl Iterator<Item = NodeId> {
        let (first, last) = (NodeId::from_bits(0), NodeId::from_bits(u128::MAX));
        self.crowd
            .range((network, first)..=(network, last))
            .map(|((_, node), _)| *node)
    }

    fn set_local(&mut self, network: NetworkId, node: NodeId, touched: &mut Touched) {
        if self.view.node(node).is_none() {
            return;
        }
        let here = self.crowd.contains_key(&(network, node));
        let row = self.view.network(network).filter(|_| here);
        let row = row.map(|network| network_view(network).digest());
        let (at, floor) = (self.seq, self.floor);
        let topic = self.local.entry(node).or_insert_with(|| Topic::starting(floor));
        if topic.set(at, network, row) {
            touched.nodes.insert(node);
        }
    }

    fn take_publishing(&mut self, network: NetworkId, touched: &mut Touched) {
        let (first, last) = of(network);
        let publishes = || {
            self.published.range(first, last).next().is_some()
                || self.publishers.values().any(|other| *other == network)
        };
        let row = self.view.network(network).filter(|_| publishes());
        let row = row.map(|network| network_view(network).digest());
        touched.everyone |= self.published_networks.set(self.seq, network, row);
    }

    pub(super) fn take_service(&mut self, id: ServiceId, touched: &mut Touched) {
        let view = self.view.clone();
        let service = view.service(id);
        let gateway = service
            .filter(|service| publishes(service))
            .and_then(|service| gateway_of(&view, service));
        let before = match gateway {
            Some(network) => self.publishers.insert(id, network),
            None => self.publishers.remove(&id),
        };
        let version = service.map(|service| service.version);
        let changed = self.services.set(self.seq, id, version);
        touched.everyone |= changed && (before.is_some() || gateway.is_some());
        self.services_everywhere
            .set(self.seq, id, version.filter(|_| gateway.is_some()));
        self.attach(service, id, changed, touched);
        let own = view.tasks_of_service(id).filter_map(|task| task.node);
        touched.nodes.extend(own.filter(|_| changed));
        if before != gateway {
            before
                .into_iter()
                .chain(gateway)
                .for_each(|network| self.take_publishing(network, touched));
            let tasks: Vec<TaskId> = view.tasks_of_service(id).map(|task| task.id).collect();
            tasks.into_iter().for_each(|task| self.take_task(task, touched));
        }
    }

    /// Notes which networks a service is attached to; those in the old and the new ones are told if it `changed`.
    fn attach(&mut self, service: Option<&Service>, id: ServiceId, changed: bool, touched: &mut Touched) {
        let attachments = service.iter().flat_map(|service| &service.spec.networks);
        let networks: BTreeSet<NetworkId> = attachments.map(|a| a.network).collect();
        let before = match networks.is_empty() {
            true => self.attached.remove(&id),
            false => self.attached.insert(id, networks.clone()),
        };
        let at = self.seq;
        for network in before.iter().flatten().chain(&networks) {
            touched.networks.extend(Some(*network).filter(|_| changed));
            // Of one that is no more, the services are told when it goes.
            if self.view.network(*network).is_some() {
                let version = service
                    .filter(|_| networks.contains(network))
                    .map(|service| service.version);
                self.room(*network).services.set(at, id, version);
            }
        }
    }

    pub(super) fn take_task(&mut self, id: TaskId, touched: &mut Touched) {
        let view = self.view.clone();
        let task = view.task(id);
        let live = task.filter(|task| !task.status.state.is_terminal());
        let before = match live.and_then(place) {
            Some(place) => self.places.insert(id, place),
            None => self.places.remove(&id),
        };
        let last = task.and_then(place);
        let Some(at) = last.as_ref().or(before.as_ref()) else {
            return;
        };
        self.set_own(at.node, (at.service, id), live.map(Row::digest), touched);
        self.take_readers(at.node, before.as_ref(), live.is_some().then_some(at), touched);
        let old: BTreeSet<_> = before.iter().flat_map(|place| &place.networks).copied().collect();
        let networks = at.networks.iter().filter(|id| !old.contains(id));
        for network in old.iter().chain(networks) {
            match (old.contains(network), live.is_some()) {
                (false, true) => *self.crowd.entry((*network, at.node)).or_default() += 1,
                (true, false) => leave(&mut self.crowd, (*network, at.node)),
                (true, true) | (false, false) => {}
            }
            self.set_local(*network, at.node, touched);
            self.set_endpoint(*network, id, live, touched);
        }
    }

    /// Nodes have what their tasks use, and it changes only by coming and going.
    fn take_payload(&mut self, id: PayloadId, touched: &mut Touched) {
        let (first, last) = (NodeId::from_bits(0), NodeId::from_bits(u128::MAX));
        let nodes = self.readers.range((id, first)..=(id, last)).map(|((_, node), _)| *node);
        for node in nodes.collect::<Vec<_>>() {
            self.set_payload(id, node, touched);
        }
    }

    /// A task on `node` comes, goes or stays with its secrets and configs.
    fn take_readers(&mut self, node: NodeId, before: Option<&Place>, now: Option<&Place>, touched: &mut Touched) {
        let used = |place: Option<&Place>| place.map_or(&[][..], |place| &place.payloads).to_vec();
        let (before, now) = (used(before), used(now));
        for id in &now {
            if !before.contains(id) {
                *self.readers.entry((*id, node)).or_default() += 1;
            }
        }
        for id in before.iter().filter(|id| !now.contains(id)) {
            leave(&mut self.readers, (*id, node));
        }
        for id in before.into_iter().chain(now) {
            self.set_payload(id, node, touched);
        }
    }

    fn set_payload(&mut self, id: PayloadId, node: NodeId, touched: &mut Touched) {
        if self.view.node(node).is_none() {
            return;
        }
        let row = self.view.payload(id).filter(|_| self.readers.contains_key(&(id, node)));
        let row = row.map(|payload| payload_view(payload).digest());
        let (at, floor) = (self.seq, self.floor);
        let topic = self.payloads.entry(node).or_insert_with(|| Topic::starting(floor));
        if topic.set(at, id, row) {
            touched.nodes.insert(node);
        }
    }

    fn set_own(&mut self, node: NodeId, key: (ServiceId, TaskId), row: Option<u64>, touched: &mut Touched) {
        if self.view.node(node).is_none() {
            return;
        }
        let (at, floor) = (self.seq, self.floor);
        let own = self.tasks.entry(node).or_insert_with(|| Topic::starting(floor));
        if own.set(at, key, row) {
            touched.nodes.insert(node);
        }
    }

    fn room(&mut self, network: NetworkId) -> &mut Room<E> {
        let floor = self.floor;
        self.rooms.entry(network).or_insert_with(|| Room::starting(floor))
    }

    /// Of a network that is no more, the endpoints went with it.
    fn set_endpoint(&mut self, network: NetworkId, id: TaskId, task: Option<&Task>, touched: &mut Touched) {
        if self.view.network(network).is_none() {
            return;
        }
        let row = task.and_then(|task| endpoint(&self.view, task, network));
        let row = row.map(|row| (row.digest(), row));
        let publishes =
            task.is_some_and(|task| self.publishers.contains_key(&task.service) && gateway(task) == Some(network));
        let published = row.as_ref().map(|(digest, _)| *digest).filter(|_| publishes);
        let (at, before) = (self.seq, self.published.sum());
        let everywhere = self.published.set(at, (network, id), published);
        let change = self.published.sum().wrapping_sub(before);
        let room = self.room(network);
        room.published = room.published.wrapping_add(change);
        let takes_flows = row.as_ref().is_some_and(|(_, row)| row.serving);
        let was_there = room.endpoints.get(id).is_some();
        let row = row.map(|(digest, row)| (digest, || E::from(row)));
        if room.endpoints.put(at, id, row) {
            touched.networks.insert(network);
            touched.urgent |= was_there && !takes_flows;
        }
        if everywhere {
            touched.everyone = true;
            self.take_publishing(network, touched);
        }
    }
}

fn leave<K: Ord>(counts: &mut BTreeMap<K, u32>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

fn place(task: &Task) -> Option<Place> {
    Some(Place {
        node: task.node?,
        service: task.service,
        networks: task.attachments.iter().map(|a| a.network).collect(),
        payloads: payloads_of(task).collect(),
    })
}
