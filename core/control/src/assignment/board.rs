//! What nodes can be told, by topic, kept in step with the state: one for all sessions of a manager, on followers too, so
//! that a new leader knows what changed under the old one.
//!
//! An applied batch costs what it changed, whatever the number of nodes; what follows for one node is read in `told.rs`.
//! Rows hold digests only: what they say is looked up in the state that they were made from. Endpoints are kept in the
//! form in which they are told, for each is told to all nodes in its network.

mod intake;
mod room;

use std::collections::{BTreeMap, BTreeSet};

use model::{ClusterId, EndpointView, NetworkId, NodeId, NodeView, PayloadId, Row, ServiceId, TaskId};
use store::{Event, View};

use super::{container_mtu, topic::Topic};
pub(super) use room::Room;

/// The form in which endpoints are told.
pub trait EndpointRow: Row<Key = (NetworkId, TaskId)> + From<EndpointView> {}

impl<R: Row<Key = (NetworkId, TaskId)> + From<EndpointView>> EndpointRow for R {}

/// Which nodes may have to be told something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// All of them.
    pub everyone: bool,
    /// These.
    pub nodes: BTreeSet<NodeId>,
    /// Soon: an endpoint takes no new flows any more, or is no more.
    pub urgent: bool,
    /// Those in these networks, until they are looked up.
    networks: BTreeSet<NetworkId>,
}

impl Touched {
    /// These too.
    pub fn extend(&mut self, other: Self) {
        self.everyone |= other.everyone;
        self.urgent |= other.urgent;
        self.nodes.extend(other.nodes);
        self.networks.extend(other.networks);
    }

    /// Those who are told of this besides their views: settings and roots concern all nodes, what one has of the roots
    /// itself.
    pub fn note(&mut self, event: &Event) {
        match event {
            Event::Cluster => self.everyone = true,
            Event::Node(id) => drop(self.nodes.insert(*id)),
            _ => {}
        }
    }
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
            payloads: Vec::new(),
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Board<E = EndpointView> {
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
    /// Networks with one of those, per node. A network does not change while it is there.
    pub(super) local: BTreeMap<NodeId, Topic<NetworkId>>,
    /// How many of them are in a network on a node.
    crowd: BTreeMap<(NetworkId, NodeId), u32>,
    /// Secrets and configs of those, per node.
    pub(super) payloads: BTreeMap<NodeId, Topic<PayloadId>>,
    /// How many of them have a secret or config on a node.
    readers: BTreeMap<(PayloadId, NodeId), u32>,
    /// What is in each network.
    pub(super) rooms: BTreeMap<NetworkId, Room<E>>,
    /// The endpoints that take published traffic, which all nodes are told.
    pub(super) published: Topic<(NetworkId, TaskId)>,
    /// Networks with one of those, or with a service that publishes.
    pub(super) published_networks: Topic<NetworkId>,
    /// Services that publish, with the network for it that they are specified with.
    pub(super) publishers: BTreeMap<ServiceId, NetworkId>,
    /// Services, by version.
    pub(super) services: Topic<ServiceId>,
    /// Those of them that every node is told, and those that were in a network which is no more.
    pub(super) services_everywhere: Topic<ServiceId>,
    /// Networks that a service is attached to.
    pub(super) attached: BTreeMap<ServiceId, BTreeSet<NetworkId>>,
}

#[derive(Clone, Debug)]
struct Place {
    node: NodeId,
    service: ServiceId,
    networks: Vec<NetworkId>,
    payloads: Vec<PayloadId>,
}

impl<E: EndpointRow> Board<E> {
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
            payloads: BTreeMap::new(),
            readers: BTreeMap::new(),
            rooms: BTreeMap::new(),
            published: Topic::starting(floor),
            published_networks: Topic::starting(floor),
            publishers: BTreeMap::new(),
            services: Topic::starting(floor),
            services_everywhere: Topic::starting(floor),
            attached: BTreeMap::new(),
        };
        board.take_everything(&mut Touched::default());
        board
    }

    /// The state that it shows.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Log index of the state that it shows.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Takes in what one entry changed: `view` is the state with it. Entry by entry, as another manager may have told
    /// nodes of any of them: of what came and went within several at once nobody would know. A view that is not newer is
    /// left alone.
    pub fn update(&mut self, view: &View, events: &[Event]) -> Touched {
        let mut touched = Touched::default();
        if self.advance(view) {
            events.iter().for_each(|event| self.take(event, &mut touched));
        }
        self.look_up(touched)
    }

    /// As [`Board::update`] when entries were missed: begins anew.
    pub fn refresh(&mut self, view: &View) -> Touched {
        let newer = view.applied() > self.seq;
        if newer {
            *self = Self::of(view);
        }
        Touched {
            everyone: newer,
            ..Touched::default()
        }
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

    fn take_everything(&mut self, touched: &mut Touched) {
        let view = self.view.clone();
        view.networks()
            .for_each(|network| self.take_network(network.id, touched));
        view.services()
            .for_each(|service| self.take_service(service.id, touched));
        view.tasks().for_each(|task| self.take_task(task.id, touched));
        view.nodes().for_each(|node| self.take_node(node.id, touched));
        self.take_head(touched);
    }
}
