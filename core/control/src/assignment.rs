//! What one node should have: its own tasks, and of all others only what its datapath and its resolver need. Equal states
//! give equal views.
//!
//! [`node_view`] says it whole, from a state. A [`Board`] follows the states and knows what changed when; a [`Feed`] is
//! one session's place in it and says what changed for its node. Both come to the same, which tests hold them to.

mod board;
mod feed;
mod told;
mod topic;

use std::collections::BTreeSet;

use model::{
    DesiredState, EarlierPorts, EndpointView, Network, NetworkId, NetworkView, Node, NodeId, NodeState, NodeView,
    Payload, PayloadId, PayloadView, PeerView, PublishMode, Service, ServiceId, ServiceView, Task, TaskState,
};
use store::View;

use crate::allocator::networks_of;

pub use board::{Board, EndpointRow, Touched};
pub use feed::{Feed, Known, Update, Verdict};

/// Bytes that the tunnel adds to a packet: outer IPv4, UDP, VXLAN and inner Ethernet headers.
pub const TUNNEL_OVERHEAD: u16 = 50;
/// Underlay MTU as long as no node has described itself.
const ETHERNET_MTU: u16 = 1500;

/// The view of `node`, or `None` if the cluster or the node is not there. `seq` is the caller's count of views.
pub fn node_view(view: &View, node: NodeId, seq: u64) -> Option<NodeView> {
    let cluster = view.cluster()?;
    view.node(node)?;
    let scope = Scope::of(view, node);
    Some(NodeView {
        seq,
        cluster: cluster.id,
        node,
        data_port: cluster.settings.data_port,
        container_mtu: container_mtu(view),
        peers: view.nodes().filter_map(peer).collect(),
        networks: scope
            .networks()
            .filter_map(|id| view.network(id))
            .map(network_view)
            .collect(),
        tasks: own_tasks(view, node).cloned().collect(),
        endpoints: scope.endpoints(view),
        services: scope.services(view),
        payloads: scope
            .payloads
            .iter()
            .filter_map(|id| view.payload(*id))
            .map(payload_view)
            .collect(),
    })
}

/// The tasks on a node that its agent still has to act on: until it reports their end, wanted or not.
fn own_tasks(view: &View, node: NodeId) -> impl Iterator<Item = &Task> {
    view.tasks_on_node(node).filter(|task| !task.status.state.is_terminal())
}

/// The smallest underlay of all nodes less the tunnel's headers.
fn container_mtu(view: &View) -> u16 {
    let underlays = view
        .nodes()
        .filter_map(|node| Some(node.description.as_ref()?.underlay_mtu));
    underlays.min().unwrap_or(ETHERNET_MTU).saturating_sub(TUNNEL_OVERHEAD)
}

fn peer(node: &Node) -> Option<PeerView> {
    let description = node.description.as_ref()?;
    Some(PeerView {
        node: node.id,
        hostname: description.hostname.clone(),
        vtep: description.vtep,
    })
}

fn network_view(network: &Network) -> NetworkView {
    NetworkView {
        id: network.id,
        name: network.spec.name.clone(),
        vni: network.vni,
        subnet: network.subnet,
        gateway: network.gateway,
        internal: network.spec.internal,
        ingress: network.spec.ingress,
    }
}

fn payload_view(payload: &Payload) -> PayloadView {
    PayloadView {
        id: payload.id,
        kind: payload.kind,
        templated: payload.spec.templated,
        bytes: payload.bytes.clone(),
    }
}

/// Secrets and configs of a task.
fn payloads_of(task: &Task) -> impl Iterator<Item = PayloadId> {
    task.container.payloads().map(|(_, file)| file.id)
}

/// What a node has to know.
struct Scope {
    /// Networks with a task on the node: all of their endpoints and services.
    local: BTreeSet<NetworkId>,
    /// Services with ports that every node answers.
    publishers: BTreeSet<ServiceId>,
    /// Networks of their gateway endpoints.
    published: BTreeSet<NetworkId>,
    /// Services with a task on the node.
    own_services: BTreeSet<ServiceId>,
    /// Secrets and configs of tasks on the node.
    payloads: BTreeSet<PayloadId>,
}

impl Scope {
    fn of(view: &View, node: NodeId) -> Self {
        let mut scope = Self {
            local: BTreeSet::new(),
            publishers: BTreeSet::new(),
            published: BTreeSet::new(),
            own_services: BTreeSet::new(),
            payloads: BTreeSet::new(),
        };
        for task in own_tasks(view, node) {
            // A network can be removed while doomed tasks are still in it.
            let networks = task.attachments.iter().map(|a| a.network);
            scope.local.extend(networks.filter(|id| view.network(*id).is_some()));
            scope.own_services.insert(task.service);
            scope.payloads.extend(payloads_of(task));
        }
        for service in view.services().filter(|service| publishes(service)) {
            scope.publishers.insert(service.id);
            scope.published.extend(gateways(view, service));
        }
        #[cfg(feature = "planted")]
        if planted::is(planted::Bug::LeakedSecret) {
            scope.payloads.extend(view.payloads().map(|payload| payload.id));
        }
        scope
    }

    fn networks(&self) -> impl Iterator<Item = NetworkId> {
        let all: BTreeSet<NetworkId> = self.local.iter().chain(&self.published).copied().collect();
        all.into_iter()
    }

    /// In networks that are here for published ports only, those that take published traffic.
    fn endpoints(&self, view: &View) -> Vec<EndpointView> {
        let mut endpoints = Vec::new();
        for network in self.networks() {
            let all = self.local.contains(&network);
            let published = |task: &Task| self.publishers.contains(&task.service) && gateway(task) == Some(network);
            let wanted = |task: &&Task| all || published(task);
            let mut tasks: Vec<&Task> = view.tasks_in_network(network).filter(wanted).collect();
            tasks.sort_unstable_by_key(|task| task.id);
            endpoints.extend(tasks.into_iter().filter_map(|task| endpoint(view, task, network)));
        }
        endpoints
    }

    fn services(&self, view: &View) -> Vec<ServiceView> {
        let in_local = |service: &Service| service.spec.networks.iter().any(|a| self.local.contains(&a.network));
        let needed =
            |service: &&Service| publishes(service) || in_local(service) || self.own_services.contains(&service.id);
        view.services()
            .filter(needed)
            .map(|service| service_view(service, |id| self.local.contains(&id)))
            .collect()
    }
}

/// A service as a node with tasks in the networks that are `local` has to know it.
fn service_view(service: &Service, local: impl Fn(NetworkId) -> bool) -> ServiceView {
    let attached = service.spec.networks.iter().filter(|a| local(a.network));
    let aliases = attached.flat_map(|a| a.aliases.iter().map(|name| (a.network, name.clone())));
    let vips = service.vips.iter().filter(|vip| local(vip.network));
    ServiceView {
        id: service.id,
        name: service.spec.name.clone(),
        vips: vips.cloned().collect(),
        aliases: aliases.collect(),
        ports: service.ports.clone(),
        restart: Some(service.spec.restart_policy()),
        canary: service.canary,
        earlier_ports: elsewhere(service),
    }
}

/// The earlier ports of which one leads elsewhere than now.
fn elsewhere(service: &Service) -> Vec<EarlierPorts> {
    let moved = |earlier: &&EarlierPorts| {
        let mut ports = service.ports.iter();
        ports.any(|port| earlier.target(port).is_some_and(|target| target != port.target))
    };
    service.earlier_ports.iter().filter(moved).cloned().collect()
}

fn publishes(service: &Service) -> bool {
    service.ports.iter().any(|port| port.mode == PublishMode::Ingress)
}

/// The network in which `task` takes published traffic: that of the spec it was made from, which the service may have
/// left since.
fn gateway(task: &Task) -> Option<NetworkId> {
    task.attachments.first().map(|attachment| attachment.network)
}

/// The network in which a service takes published traffic as it is specified now.
fn gateway_of(view: &View, service: &Service) -> Option<NetworkId> {
    let networks = networks_of(view, &service.spec).ok()?;
    networks.first().map(|(network, _)| network.id)
}

/// All networks in which a service takes published traffic: the one that it is specified with, and while tasks of an
/// older spec are left those that they are in. A port is answered by old tasks until new ones have taken their place.
fn gateways(view: &View, service: &Service) -> impl Iterator<Item = NetworkId> {
    let tasks = view.tasks_of_service(service.id);
    let placed = tasks.filter(|task| task.node.is_some() && !task.status.state.is_terminal());
    let networks = placed.filter_map(gateway).chain(gateway_of(view, service));
    networks.filter(|id| view.network(*id).is_some())
}

fn endpoint(view: &View, task: &Task, network: NetworkId) -> Option<EndpointView> {
    let node = task.node?;
    let index = task.attachments.iter().position(|a| a.network == network)?;
    let serves = matches!(task.desired, DesiredState::Running | DesiredState::Complete);
    let wanted = task.status.state == TaskState::Running && !task.status.not_ready && serves;
    let reachable = view.node(node).is_some_and(|node| node.status.state != NodeState::Down);
    #[cfg(feature = "planted")]
    let reachable = reachable || planted::is(planted::Bug::DeadBackendsKept);
    Some(EndpointView {
        task: task.id,
        service: task.service,
        slot: task.slot,
        network,
        addr: task.attachments.get(index)?.addr,
        node,
        gateway: index == 0,
        serving: wanted && reachable,
        spec_version: task.spec_version,
    })
}

#[cfg(test)]
mod tests;
