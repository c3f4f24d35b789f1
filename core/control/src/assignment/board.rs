//! What nodes can be told, by topic, kept in step with the state: one for all sessions of a manager, on followers too, so
//! that a new leader knows what changed under the old one.
//!
//! An applied batch costs what it changed, whatever the number of nodes; what follows for one node is read in `told.rs`.
//! Rows hold digests only: what they say is looked up in the state that they were made from.

use std::collections::{BTreeMap, BTreeSet};

use model::{ClusterId, NetworkId, NodeId, NodeState, NodeView, Row, ServiceId, Task, TaskId};
use store::{Event, View};

use super::{container_mtu, endpoint, network_view, peer, publishes, topic::Topic};
use crate::allocator::networks_of;

/// Which nodes may have to be told something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// All of them.
    pub everyone: bool,
    /// These.
    pub nodes: BTreeSet<NodeId>,
    /// Those in these networks, until they are looked up.
    networks: BTreeSet<NetworkId>,
}

/// What all nodes are told alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub cluster: ClusterId,
    pub data_port: u16,
    pub container_mtu: u16,
}

impl Head {
    fn of(view: &View) -> Option<Self> {
        let cluster = view.cluster()?;
        Some(Self {
            cluster: cluster.id,
            data_port: cluster.settings.data_port,
            container_mtu: container_mtu(view),
        })
    }

    /// The view of `node` with nothing in its lists.
    pub fn view(self, node: NodeId, seq: u64) -> NodeView {
        NodeView {
            seq,
            cluster: self.cluster,
            node,
            data_port: self.data_port,
            container_mtu: self.container_mtu,
            peers: Vec::new(),
            networks: Vec::new(),
            tasks: Vec::new(),
            endpoints: Vec::new(),
            services: Vec::new(),
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Board {
    pub(super) view: View,
    pub(super) seq: u64,
    /// Before this nothing is known of what changed when.
    pub(super) floor: u64,
    pub(super) head: Option<Head>,
    pub(super) peers: Topic<NodeId>,
    down: BTreeSet<NodeId>,
    /// A node's own tasks that have not ended.
    pub(super) tasks: BTreeMap<NodeId, Topic<(ServiceId, TaskId)>>,
    /// Where each of those is.
    places: BTreeMap<TaskId, Place>,
    /// Networks with one of those, per node.
    pub(super) local: BTreeMap<NodeId, Topic<NetworkId>>,
    /// How many of them are in a network on a node.
    crowd: BTreeMap<(NetworkId, NodeId), u32>,
    /// Endpoints of each network.
    pub(super) endpoints: BTreeMap<NetworkId, Topic<TaskId>>,
    /// Those of them that take published traffic, which all nodes are told.
    pub(super) published: Topic<(NetworkId, TaskId)>,
    pub(super) published_sums: BTreeMap<NetworkId, u64>,
    /// Networks with a service that publishes.
    pub(super) published_networks: Topic<NetworkId>,
    publishers: BTreeMap<ServiceId, NetworkId>,
    /// Services, by version.
    pub(super) services: Topic<ServiceId>,
    attached: BTreeMap<ServiceId, Vec<NetworkId>>,
    pub(super) services_in: BTreeMap<NetworkId, BTreeSet<ServiceId>>,
}

#[derive(Clone, Debug)]
struct Place {
    node: NodeId,
    service: ServiceId,
    networks: Vec<NetworkId>,
}

impl Board {
    /// The board of a state; what changed before is not known.
    pub fn of(view: &View) -> Self {
        let floor = view.applied();
        let mut board = Self {
            view: view.clone(),
            seq: floor,
            floor,
            head: None,
            peers: Topic::starting(floor),
            down: BTreeSet::new(),
            tasks: BTreeMap::new(),
            places: BTreeMap::new(),
            local: BTreeMap::new(),
            crowd: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            published: Topic::starting(floor),
            published_sums: BTreeMap::new(),
            published_networks: Topic::starting(floor),
            publishers: BTreeMap::new(),
            services: Topic::starting(floor),
            attached: BTreeMap::new(),
            services_in: BTreeMap::new(),
        };
        board.look_at_everything(&mut Touched::default());
        board
    }

    /// Log index of the state that it shows.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Takes in what was applied up to `view`; `events` are all since the last call. A view that is not newer is left
    /// alone.
    pub fn update(&mut self, view: &View, events: &[Event]) -> Touched {
        let mut touched = Touched::default();
        if self.advance(view) {
            events.iter().for_each(|event| self.take(event, &mut touched));
        }
        self.look_up(touched)
    }

    /// As [`Board::update`] when events were lost: compares everything.
    pub fn refresh(&mut self, view: &View) -> Touched {
        let mut touched = Touched::default();
        if self.advance(view) {
            self.look_at_everything(&mut touched);
        }
        self.look_up(touched)
    }

    fn look_up(&self, mut touched: Touched) -> Touched {
        for network in std::mem::take(&mut touched.networks) {
            touched.nodes.extend(self.nodes_in(network));
        }
        touched
    }

    fn advance(&mut self, view: &View) -> bool {
        let newer = view.applied() > self.seq;
        if newer {
            self.view = view.clone();
            self.seq = view.applied();
        }
        newer
    }

    fn look_at_everything(&mut self, touched: &mut Touched) {
        let view = self.view.clone();
        let mut all = vec![Event::Cluster];
        let networks = view
            .networks()
            .map(|network| network.id)
            .chain(self.endpoints.keys().copied());
        all.extend(networks.map(Event::Network));
        let services = view.services().map(|service| service.id).chain(self.services.keys());
        all.extend(services.map(Event::Service));
        let gone = self
            .places
            .iter()
            .map(|(task, place)| (*task, place.service, Some(place.node)));
        let tasks = view.tasks().map(|task| (task.id, task.service, task.node)).chain(gone);
        all.extend(tasks.map(|(task, service, node)| Event::Task { task, service, node }));
        all.extend(
            view.nodes()
                .map(|node| node.id)
                .chain(self.peers.keys())
                .map(Event::Node),
        );
        all.sort_unstable();
        all.dedup();
        all.iter().for_each(|event| self.take(event, touched));
    }

    fn take(&mut self, event: &Event, touched: &mut Touched) {
        match event {
            Event::Cluster => self.take_head(touched),
            Event::Node(node) => self.take_node(*node, touched),
            Event::Network(network) => self.take_network(*network, touched),
            Event::Service(service) => self.take_service(*service, touched),
            Event::Task { task, .. } => self.take_task(*task, touched),
        }
    }

    fn take_head(&mut self, touched: &mut Touched) {
        let head = Head::of(&self.view);
        touched.everyone |= head != self.head;
        self.head = head;
    }

    fn take_node(&mut self, id: NodeId, touched: &mut Touched) {
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
        }
        self.take_head(touched);
    }

    fn take_network(&mut self, id: NetworkId, touched: &mut Touched) {
        let here: Vec<NodeId> = self.nodes_in(id).collect();
        for node in here {
            self.set_local(id, node, touched);
        }
        if self.view.network(id).is_none() {
            let known = self.endpoints.remove(&id);
            for task in known.iter().flat_map(Topic::keys) {
                touched.everyone |= self.publish(id, task, None);
            }
            self.services_in.remove(&id);
            self.published_sums.remove(&id);
        }
        self.take_publishing(id, touched);
    }

    fn nodes_in(&self, network: NetworkId) -> impl Iterator<Item = NodeId> {
        let (first, last) = (NodeId::from_bits(0), NodeId::from_bits(u128::MAX));
        self.crowd
            .range((network, first)..=(network, last))
            .map(|((_, node), _)| *node)
    }

    fn set_local(&mut self, network: NetworkId, node: NodeId, touched: &mut Touched) {
        if self.view.node(node).is_none() {
            return;
        }
        let here = self.crowd.contains_key(&(network, node)) && self.view.network(network).is_some();
        let floor = self.floor;
        let topic = self.local.entry(node).or_insert_with(|| Topic::starting(floor));
        if topic.set(self.seq, network, here.then_some(0)) {
            touched.nodes.insert(node);
        }
    }

    fn take_publishing(&mut self, network: NetworkId, touched: &mut Touched) {
        let publishes = self.publishers.values().any(|other| *other == network);
        let row = self.view.network(network).filter(|_| publishes);
        let row = row.map(|network| network_view(network).digest());
        touched.everyone |= self.published_networks.set(self.seq, network, row);
    }

    fn take_service(&mut self, id: ServiceId, touched: &mut Touched) {
        let view = self.view.clone();
        let service = view.service(id);
        let gateway = service.filter(|service| publishes(service)).and_then(|service| {
            let networks = networks_of(&view, &service.spec).ok()?;
            networks.first().map(|(network, _)| network.id)
        });
        let before = match gateway {
            Some(network) => self.publishers.insert(id, network),
            None => self.publishers.remove(&id),
        };
        let changed = self.services.set(self.seq, id, service.map(|service| service.version));
        touched.everyone |= changed && (before.is_some() || gateway.is_some());
        self.attach(
            id,
            service.map_or(&[], |service| &service.spec.networks),
            changed,
            touched,
        );
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

    /// Notes which networks a service is attached to; the nodes in the old and the new ones are told.
    fn attach(
        &mut self,
        id: ServiceId,
        attachments: &[model::NetworkAttachment],
        changed: bool,
        touched: &mut Touched,
    ) {
        for network in self.attached.remove(&id).unwrap_or_default() {
            self.services_in.get_mut(&network).map(|services| services.remove(&id));
            touched.networks.extend(Some(network).filter(|_| changed));
        }
        let networks: Vec<NetworkId> = attachments.iter().map(|a| a.network).collect();
        for network in &networks {
            self.services_in.entry(*network).or_default().insert(id);
            touched.networks.extend(Some(*network).filter(|_| changed));
        }
        if !networks.is_empty() {
            self.attached.insert(id, networks);
        }
    }

    fn take_task(&mut self, id: TaskId, touched: &mut Touched) {
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
        let old: BTreeSet<_> = before.iter().flat_map(|place| &place.networks).copied().collect();
        let networks = at.networks.iter().filter(|id| !old.contains(id));
        for network in old.iter().chain(networks) {
            match (old.contains(network), live.is_some()) {
                (false, true) => *self.crowd.entry((*network, at.node)).or_default() += 1,
                (true, false) => self.leave(*network, at.node),
                (true, true) | (false, false) => {}
            }
            self.set_local(*network, at.node, touched);
            self.set_endpoint(*network, id, live, touched);
        }
    }

    fn leave(&mut self, network: NetworkId, node: NodeId) {
        if let Some(count) = self.crowd.get_mut(&(network, node)) {
            *count -= 1;
            if *count == 0 {
                self.crowd.remove(&(network, node));
            }
        }
    }

    fn set_own(&mut self, node: NodeId, key: (ServiceId, TaskId), row: Option<u64>, touched: &mut Touched) {
        if self.view.node(node).is_none() {
            return;
        }
        let floor = self.floor;
        let own = self.tasks.entry(node).or_insert_with(|| Topic::starting(floor));
        if own.set(self.seq, key, row) {
            touched.nodes.insert(node);
        }
    }

    fn set_endpoint(&mut self, network: NetworkId, id: TaskId, task: Option<&Task>, touched: &mut Touched) {
        let known = self.view.network(network).is_some();
        let row = task
            .filter(|_| known)
            .and_then(|task| endpoint(&self.view, task, network));
        let service = task.map(|task| task.service);
        let publishes = service.is_some_and(|service| self.publishers.get(&service) == Some(&network));
        let row = row.map(|row| row.digest());
        let (seq, floor) = (self.seq, self.floor);
        if known {
            let topic = self.endpoints.entry(network).or_insert_with(|| Topic::starting(floor));
            if topic.set(seq, id, row) {
                touched.networks.insert(network);
            }
        }
        touched.everyone |= self.publish(network, id, row.filter(|_| publishes));
    }

    fn publish(&mut self, network: NetworkId, task: TaskId, row: Option<u64>) -> bool {
        let before = self.published.sum();
        let news = self.published.set(self.seq, (network, task), row);
        if news {
            let sum = self.published_sums.entry(network).or_default();
            *sum = sum.wrapping_add(self.published.sum().wrapping_sub(before));
        }
        news
    }
}

fn place(task: &Task) -> Option<Place> {
    Some(Place {
        node: task.node?,
        service: task.service,
        networks: task.attachments.iter().map(|a| a.network).collect(),
    })
}
