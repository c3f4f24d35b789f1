//! Plans of a small cluster: two nodes, two networks with the same subnet, one service.

mod canary;
mod node;
mod order;
mod saved;
mod services;

use std::{collections::BTreeMap, net::IpAddr};

use abi::{Addr, BACKEND_DRAINING, FRONTEND_HELD, Frontend, FrontendKey, SCOPE_PUBLISHED};
use model::{
    ClusterId, EndpointView, NetworkId, NetworkView, NodeId, NodeView, PeerView, Protocol, PublishMode, PublishedPort,
    ServiceId, ServiceView, TaskId, VirtualIp,
};

use super::*;

const BLUE: NetworkId = NetworkId::from_bits(1);
const RED: NetworkId = NetworkId::from_bits(2);
const WEB: ServiceId = ServiceId::from_bits(1);
const VIP: &str = "10.1.0.2";

fn node(number: u128) -> NodeId {
    NodeId::from_bits(number)
}

fn task(number: u128) -> TaskId {
    TaskId::from_bits(number << 64 | number)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn network(id: NetworkId, vni: u32) -> NetworkView {
    NetworkView {
        id,
        name: format!("net-{vni}").parse().unwrap(),
        vni: vni.try_into().unwrap(),
        subnet: "10.1.0.0/24".parse().unwrap(),
        gateway: ip("10.1.0.1"),
        internal: false,
        ingress: false,
    }
}

/// Task `number` of the web service on node `on`, at 10.1.0.(number).
fn endpoint(number: u8, on: u128) -> EndpointView {
    EndpointView {
        task: task(number.into()),
        service: WEB,
        slot: u32::from(number).try_into().unwrap(),
        network: BLUE,
        addr: IpAddr::from([10, 1, 0, number]),
        node: node(on),
        gateway: true,
        serving: true,
        spec_version: 1,
    }
}

/// Two nodes, a blue and a red network with the same subnet, one published service on blue.
fn view(here: u128, endpoints: Vec<EndpointView>) -> NodeView {
    let peer = |number: u8| PeerView {
        node: node(number.into()),
        hostname: format!("n{number}"),
        vtep: IpAddr::from([192, 0, 2, number]),
    };
    NodeView {
        seq: 1,
        cluster: ClusterId::from_bits(9),
        node: node(here),
        data_port: 4789,
        container_mtu: 1450,
        peers: vec![peer(1), peer(2)],
        networks: vec![network(BLUE, 4097), network(RED, 4098)],
        tasks: Vec::new(),
        endpoints,
        services: vec![ServiceView {
            id: WEB,
            name: "web".parse().unwrap(),
            vips: vec![VirtualIp {
                network: BLUE,
                addr: ip(VIP),
            }],
            aliases: Vec::new(),
            restart: None,
            canary: None,
            earlier_ports: Vec::new(),
            ports: vec![PublishedPort {
                published: 8080,
                target: 80,
                protocol: Protocol::Tcp,
                mode: PublishMode::Ingress,
            }],
        }],
        payloads: Vec::new(),
    }
}

fn link(index: u32, addrs: &[&str]) -> Link {
    Link {
        index,
        mac: [2, 0, 0, 0, 0, index as u8],
        mtu: 1500,
        up: true,
        ethernet: true,
        addrs: addrs.iter().map(|a| ip(a)).collect(),
        peer_netns: None,
    }
}

/// A host with one uplink, our own links, and links for these tasks on blue.
fn facts(tasks: &[u8]) -> LocalFacts {
    let mut lo = link(1, &["127.0.0.1"]);
    lo.ethernet = false;
    let mut links = BTreeMap::from([
        ("lo".to_owned(), lo),
        ("eth0".to_owned(), link(2, &["192.0.2.1"])),
        ("eth1".to_owned(), link(3, &[])),
        (OVERLAY_LINK.to_owned(), link(4, &[])),
        (HOST_LINK.to_owned(), link(5, &["169.254.63.53"])),
        (HOST_PEER_LINK.to_owned(), link(6, &[])),
        (RESOLVER_LINK.to_owned(), link(7, &[])),
    ]);
    for number in tasks {
        let name = link_name(task((*number).into()), BLUE);
        links.insert(name, link(100 + u32::from(*number), &[]));
    }
    LocalFacts {
        links,
        netns_cookie: 7,
        ..LocalFacts::default()
    }
}

fn published() -> FrontendKey {
    FrontendKey {
        scope: SCOPE_PUBLISHED,
        port: abi::Be16::new(8080),
        proto: 6,
        ..FrontendKey::default()
    }
}

fn virtual_ip() -> FrontendKey {
    FrontendKey {
        scope: 4097,
        addr: ip(VIP).into(),
        ..FrontendKey::default()
    }
}

fn converge(tables: &mut Tables, view: &NodeView, facts: &LocalFacts) {
    let steps = steps(tables, &desired(view, facts).unwrap());
    assert_eq!(steps.problems, []);
    for op in &steps.ops {
        tables.apply(op);
    }
}

fn reached(view: &NodeView, facts: &LocalFacts) -> Tables {
    let mut tables = Tables::default();
    converge(&mut tables, view, facts);
    tables
}

/// Addresses of a frontend's owners, slot by slot.
fn owners(tables: &Tables, key: &FrontendKey) -> Vec<Option<Addr>> {
    let slots = tables.ring(&tables.frontends[key]).iter();
    slots
        .map(|slot| tables.backends.get(&slot.owner).map(|row| row.addr))
        .collect()
}
