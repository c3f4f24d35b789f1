//! What one node is told: its own tasks, and of everything else only what its datapath and its resolver need.
//!
//! A `NodeView` is a whole snapshot with a sequence number; a [`ViewDelta`] changes one into a later one. The agent keeps
//! the last view on disk, so that a node that boots without managers comes back serving.

mod delta;
mod digest;
mod row;

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use delta::{Changes, Unfit, ViewDelta};
pub use row::Row;

use crate::{
    Canary, ClusterId, EarlierPorts, Name, NetworkId, NodeId, PayloadBytes, PayloadId, PayloadKind, PublishedPort,
    RestartPolicy, ServiceId, Slot, Task, TaskId, VirtualIp, Vni,
};

/// Everything that a node should have. Lists are in the order of their keys ([`Row::key`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// Log index of the state that it is made from: grows through every change of leader; a lower one is stale.
    pub seq: u64,
    /// The cluster.
    pub cluster: ClusterId,
    /// The node that this is for.
    pub node: NodeId,
    /// UDP port of the tunnels.
    pub data_port: u16,
    /// MTU of containers, bytes: the smallest underlay of all nodes less the tunnel's headers.
    pub container_mtu: u16,
    /// All nodes of the cluster, this one too.
    pub peers: Vec<PeerView>,
    /// Networks with a task on this node, and those whose endpoints take published traffic.
    pub networks: Vec<NetworkView>,
    /// Tasks assigned to this node that it still has to act on.
    pub tasks: Vec<Task>,
    /// Endpoints of those networks, on any node, of tasks that are not known to have ended.
    pub endpoints: Vec<EndpointView>,
    /// Services in those networks, and all that publish ports.
    pub services: Vec<ServiceView>,
    /// Secrets and configs of those tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payloads: Vec<PayloadView>,
}

/// A node as others need to know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerView {
    /// Which.
    pub node: NodeId,
    /// Its host name, for answers of the resolver.
    pub hostname: String,
    /// Its tunnel endpoint.
    pub vtep: IpAddr,
}

/// A network as a node needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkView {
    /// Which.
    pub id: NetworkId,
    /// Its name.
    pub name: Name,
    /// Its segment.
    pub vni: Vni,
    /// Its addresses.
    pub subnet: IpNet,
    /// Answered by the datapath.
    pub gateway: IpAddr,
    /// No egress, no forwarding of names.
    pub internal: bool,
    /// Endpoints in it do not reach each other.
    pub ingress: bool,
}

/// An endpoint: a task's address in one network, and where it lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointView {
    /// Its task.
    pub task: TaskId,
    /// The task's service.
    pub service: ServiceId,
    /// The task's slot.
    pub slot: Slot,
    /// Its network.
    pub network: NetworkId,
    /// Its address there.
    pub addr: IpAddr,
    /// The node that it is on.
    pub node: NodeId,
    /// The task's first endpoint, which takes published traffic.
    pub gateway: bool,
    /// Takes new flows: its task runs, is healthy and is wanted.
    pub serving: bool,
    /// The spec version that its task was made from.
    #[serde(default)]
    pub spec_version: u64,
}

/// A service as a node needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceView {
    /// Which.
    pub id: ServiceId,
    /// Its name.
    pub name: Name,
    /// Its virtual IPs; empty for `dnsrr`.
    pub vips: Vec<VirtualIp>,
    /// Further names by network.
    pub aliases: Vec<(NetworkId, Name)>,
    /// Its published ports.
    pub ports: Vec<PublishedPort>,
    /// When its tasks are run again: a node applies it itself while no manager is in reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartPolicy>,
    /// While endpoints of some spec versions take a share of the new flows together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// For tasks of other spec versions that listen elsewhere than `ports` say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_ports: Vec<EarlierPorts>,
}

impl ServiceView {
    /// Where tasks of this spec version listen for what comes to one of the service's ports.
    pub fn target(&self, port: &PublishedPort, spec_version: u64) -> u16 {
        let mut own = self.earlier_ports.iter().filter(|e| e.spec_version == spec_version);
        own.find_map(|earlier| earlier.target(port)).unwrap_or(port.target)
    }
}

/// A secret or config as a node needs it. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadView {
    /// Which.
    pub id: PayloadId,
    /// Secret or config.
    pub kind: PayloadKind,
    /// The bytes are a template.
    pub templated: bool,
    /// The bytes.
    pub bytes: PayloadBytes,
}

impl NodeView {
    /// Whether it has all that its tasks' files are made of. A view from the disk has no secrets.
    pub fn has_payloads(&self) -> bool {
        let needed = self.tasks.iter().flat_map(|task| task.container.payloads());
        let mut ids = needed.map(|(_, file)| file.id);
        ids.all(|id| self.payload(id).is_some())
    }

    /// A secret or config by id.
    pub fn payload(&self, id: PayloadId) -> Option<&PayloadView> {
        let at = self.payloads.binary_search_by_key(&id, |payload| payload.id).ok()?;
        self.payloads.get(at)
    }
}

#[cfg(test)]
mod tests;
