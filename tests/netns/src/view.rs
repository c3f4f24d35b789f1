//! The cluster that tests describe, as the views of its nodes.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use model::{
    ClusterId, EndpointView, NetworkId, NetworkView, NodeId, NodeView, PeerView, Protocol, PublishMode, PublishedPort,
    ServiceId, ServiceView, TaskId, VirtualIp,
};

/// The ingress network, 10.0.0.0/16.
pub const INGRESS: u32 = 4096;
/// A network, 10.1.0.0/24.
pub const BLUE: u32 = 4097;
/// Another one with the same subnet.
pub const RED: u32 = 4098;
/// An internal one, 10.2.0.0/24.
pub const INNER: u32 = 4099;

/// A task with one endpoint.
#[derive(Clone, Debug)]
pub struct Task {
    /// Unique; also its slot.
    pub number: u32,
    /// Its service.
    pub service: &'static str,
    /// VNI of its network.
    pub network: u32,
    /// Its address.
    pub addr: Ipv4Addr,
    /// Number of its node.
    pub node: u8,
    /// Takes new flows.
    pub serving: bool,
}

impl Task {
    /// Its id.
    pub fn id(&self) -> TaskId {
        // Spread like drawn ones.
        TaskId::from_bits(u128::from(self.number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
    }
}

/// What the managers would hold.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Version of the views.
    pub seq: u64,
    /// Tasks.
    pub tasks: Vec<Task>,
    /// Virtual IP by service and network.
    pub vips: BTreeMap<(&'static str, u32), Ipv4Addr>,
    /// Published port and target by service.
    pub ports: BTreeMap<&'static str, (u16, u16, Protocol)>,
}

/// Id of a node.
pub fn node_id(number: u8) -> NodeId {
    NodeId::from_bits(number.into())
}

/// Id of a network.
pub fn network_id(vni: u32) -> NetworkId {
    NetworkId::from_bits(vni.into())
}

fn service_id(name: &str) -> ServiceId {
    ServiceId::from_bits(name.bytes().fold(0, |id, byte| id * 256 + u128::from(byte)))
}

/// Address of a node in the underlay.
pub fn vtep(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 7, number)
}

fn networks() -> Vec<NetworkView> {
    let rows = [
        (INGRESS, "ingress", "10.0.0.0/16", "10.0.0.1"),
        (BLUE, "blue", "10.1.0.0/24", "10.1.0.1"),
        (RED, "red", "10.1.0.0/24", "10.1.0.1"),
        (INNER, "inner", "10.2.0.0/24", "10.2.0.1"),
    ];
    rows.map(|(vni, name, subnet, gateway)| NetworkView {
        id: network_id(vni),
        name: name.parse().unwrap(),
        vni: vni.try_into().unwrap(),
        subnet: subnet.parse().unwrap(),
        gateway: gateway.parse().unwrap(),
        internal: vni == INNER,
        ingress: vni == INGRESS,
    })
    .into()
}

impl Cluster {
    /// Adds a task that serves.
    pub fn task(&mut self, number: u32, service: &'static str, network: u32, addr: &str, node: u8) -> Task {
        let task = Task {
            number,
            service,
            network,
            addr: addr.parse().unwrap(),
            node,
            serving: true,
        };
        self.tasks.push(task.clone());
        task
    }

    fn services(&self) -> Vec<ServiceView> {
        let mut names: Vec<&'static str> = self.tasks.iter().map(|task| task.service).collect();
        names.sort_unstable();
        names.dedup();
        let service = |name: &'static str| ServiceView {
            id: service_id(name),
            name: name.parse().unwrap(),
            vips: self
                .vips
                .iter()
                .filter(|((service, _), _)| *service == name)
                .map(|((_, network), addr)| VirtualIp {
                    network: network_id(*network),
                    addr: IpAddr::V4(*addr),
                })
                .collect(),
            aliases: Vec::new(),
            restart: None,
            canary: None,
            earlier_ports: Vec::new(),
            ports: self
                .ports
                .get(name)
                .map(|(published, target, protocol)| PublishedPort {
                    published: *published,
                    target: *target,
                    protocol: *protocol,
                    mode: PublishMode::Ingress,
                })
                .into_iter()
                .collect(),
        };
        names.into_iter().map(service).collect()
    }

    /// What node `number` is told.
    pub fn view(&self, number: u8) -> Arc<NodeView> {
        let endpoints = self.tasks.iter().map(|task| EndpointView {
            task: task.id(),
            service: service_id(task.service),
            slot: task.number.try_into().unwrap(),
            network: network_id(task.network),
            addr: IpAddr::V4(task.addr),
            node: node_id(task.node),
            gateway: true,
            serving: task.serving,
            spec_version: 1,
        });
        Arc::new(NodeView {
            seq: self.seq,
            cluster: ClusterId::from_bits(1),
            node: node_id(number),
            data_port: 4789,
            container_mtu: 1450,
            peers: [1, 2]
                .map(|number| PeerView {
                    node: node_id(number),
                    hostname: format!("node{number}"),
                    vtep: IpAddr::V4(vtep(number)),
                })
                .into(),
            networks: networks(),
            tasks: Vec::new(),
            endpoints: endpoints.collect(),
            services: self.services(),
            payloads: Vec::new(),
        })
    }
}
