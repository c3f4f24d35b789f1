//! What nodes can be told, by topic, kept in step with the state: one for all sessions of a manager, on followers too, so
//! that a new leader knows what changed under the old one.
//!
//! An applied batch costs what it changed, whatever the number of nodes; what follows for one node is read in `told.rs`.
//! Rows hold digests only: what they say is looked up in the state that they were made from.

mod intake;

use std::collections::{BTreeMap, BTreeSet};

use model::{ClusterId, NetworkId, NodeId, NodeView, PayloadId, ServiceId, TaskId};
use store::{Event, View};

use super::{
    container_mtu,
    topic::{Moment, Topic},
};

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
            payloads: Vec::new(),
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Board {
    pub(super) view: View,
    pub(super) seq: u64,
    /// When the batch that is being taken in was applied.
    at: Moment,
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
    /// Secrets and configs of those, per node.
    pub(super) payloads: BTreeMap<NodeId, Topic<PayloadId>>,
    /// How many of them have a secret or config on a node.
    readers: BTreeMap<(PayloadId, NodeId), u32>,
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
    payloads: Vec<PayloadId>,
}

impl Board {
    /// The board of a state; what changed before is not known.
    pub fn of(view: &View) -> Self {
        let floor = view.applied();
        let mut board = Self {
            view: view.clone(),
            seq: floor,
            at: Moment {
                index: floor,
                leapt: false,
            },
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

    /// The state that it shows.
    pub fn view(&self) -> &View {
        &self.view
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
            self.at = Moment {
                index: view.applied(),
                leapt: view.applied() > self.seq + 1,
            };
            self.view = view.clone();
            self.seq = view.applied();
        }
        newer
    }

    fn look_at_everything(&mut self, touched: &mut Touched) {
        let view = self.view.clone();
        let networks = view.networks().map(|network| network.id);
        let networks: BTreeSet<_> = networks.chain(self.endpoints.keys().copied()).collect();
        networks.into_iter().for_each(|id| self.take_network(id, touched));
        let services = view.services().map(|service| service.id);
        let services: BTreeSet<_> = services.chain(self.services.keys()).collect();
        services.into_iter().for_each(|id| self.take_service(id, touched));
        let tasks = view.tasks().map(|task| task.id);
        let tasks: BTreeSet<_> = tasks.chain(self.places.keys().copied()).collect();
        tasks.into_iter().for_each(|id| self.take_task(id, touched));
        let nodes = view.nodes().map(|node| node.id);
        let nodes: BTreeSet<_> = nodes.chain(self.peers.keys()).collect();
        nodes.into_iter().for_each(|id| self.take_node(id, touched));
        self.take_head(touched);
    }
}
