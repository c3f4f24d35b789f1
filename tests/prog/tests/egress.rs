//! From containers to the world and to their own node, DNS, processes of the host.
#![allow(clippy::unwrap_used)]

use abi::*;
use prog::node::{Entry, Node, SHOT};
use prog::packet::{ACK, Body, SYN, ip, tcp, udp};
use prog::*;
use std::net::Ipv4Addr;

fn from(a: Ipv4Addr) -> Entry {
    Entry::Container(ifindex(a))
}

fn node() -> Node {
    Node::in_world().unwrap_or_else(|e| panic!("{e:#}"))
}

#[test]
fn egress_leaves_with_the_nodes_address_and_the_answer_finds_its_container() {
    let mut n = node();
    let r = n.send(from(A), &tcp(A, 4000, CLIENT, 443, SYN).from_mac(mac(A)));
    assert!(r.did(Event::Uplink), "{r:?}");
    let out = r.frame();
    assert_eq!(out.src, NODE1);
    assert!(out.sport() >= SNAT_PORT_MIN);
    let r = n.send(Entry::Uplink, &tcp(CLIENT, 443, NODE1, out.sport(), SYN | ACK));
    assert!(r.did(Event::Local), "{r:?}");
    assert_eq!(r.frame().ends(), (format!("{CLIENT}:443"), format!("{A}:4000")));
}

#[test]
fn egress_leaves_with_the_address_that_the_routes_name_or_that_of_their_device() {
    let mut n = node();
    let second = Ipv4Addr::new(198, 51, 100, 7);
    // Not an own address as far as the tables know: as where the kernel does not say which one it would take.
    n.remove::<Addr, u32>(map::HOST_ADDR, NODE1.into());
    let way = Port {
        addr: second.into(),
        ..Port::default()
    };
    n.put(map::PORT, 20, way);
    n.put(map::HOST_ADDR, Addr::from(second), 0u32);
    let out = n
        .send(from(A), &tcp(A, 4000, CLIENT, 443, SYN).from_mac(mac(A)))
        .frame();
    assert_eq!(out.src, second);
    let r = n.send(Entry::Uplink, &tcp(CLIENT, 443, second, out.sport(), SYN | ACK));
    assert!(r.did(Event::Local), "{r:?}");
    assert_eq!(r.frame().ends(), (format!("{CLIENT}:443"), format!("{A}:4000")));
}

#[test]
fn two_containers_with_one_source_port_get_two_ports() {
    let mut n = node();
    let a = n.send(from(A), &udp(A, 4000, CLIENT, 53).from_mac(mac(A))).frame();
    let b = n.send(from(B), &udp(B, 4000, CLIENT, 53).from_mac(mac(B))).frame();
    assert_ne!(a.sport(), b.sport());
    let again = n.send(from(A), &udp(A, 4000, CLIENT, 53).from_mac(mac(A))).frame();
    assert_eq!(a.sport(), again.sport());
}

#[test]
fn ping_to_the_world_is_translated_both_ways() {
    let mut n = node();
    let r = n.send(from(A), &ip(A, CLIENT, Body::Echo(8, 77, vec![1; 20])).from_mac(mac(A)));
    assert!(r.did(Event::Uplink), "{r:?}");
    let id = r.frame().sport();
    let r = n.send(Entry::Uplink, &ip(CLIENT, NODE1, Body::Echo(0, id, vec![1; 20])));
    assert!(r.did(Event::Local), "{r:?}");
    assert_eq!(r.frame().body, Body::Echo(0, 77, vec![1; 20]));
    assert_eq!(r.frame().dst, A);
}

#[test]
fn internal_networks_and_secondary_endpoints_have_no_way_out() {
    let mut n = node();
    for (flags, reason) in [(PORT_GATEWAY | PORT_INTERNAL, "internal-network"), (0, "not-gateway")] {
        n.local(A, VNI, flags);
        let r = n.send(from(A), &tcp(A, 4000, CLIENT, 443, SYN).from_mac(mac(A)));
        assert_eq!(r.dropped(), Some(reason));
    }
}

#[test]
fn a_container_reaches_a_published_port_of_its_own_node() {
    let mut n = node();
    n.published_to(E);
    let r = n.send(from(A), &tcp(A, 4000, NODE1, 8080, SYN).from_mac(mac(A)));
    assert!(r.did(Event::Local), "{r:?}");
    assert_eq!(r.frame().src, NODE1);
    let port = r.frame().sport();
    let r = n.send(from(E), &tcp(E, 80, NODE1, port, SYN | ACK).from_mac(mac(E)));
    assert!(r.did(Event::Local), "{r:?}");
    assert_eq!(r.frame().ends(), (format!("{NODE1}:8080"), format!("{A}:4000")));
    assert_eq!(r.frame().dst_mac, mac(A));
}

#[test]
fn a_container_reaches_a_published_port_of_its_own_node_served_elsewhere() {
    let mut n = node();
    n.published_to(G);
    let r = n.send(from(A), &tcp(A, 4000, NODE1, 8080, SYN).from_mac(mac(A)));
    assert!(r.did(Event::MeshRequest), "{r:?}");
    assert_eq!(r.frame().ends().1, format!("{NODE1}:8080"));
    let port = r.frame().sport();
    let r = n.send(
        Entry::Overlay(VNI_MESH_REPLY, NODE2),
        &tcp(NODE1, 8080, NODE1, port, SYN | ACK),
    );
    assert!(r.did(Event::Local), "{r:?}");
    assert_eq!(r.frame().ends(), (format!("{NODE1}:8080"), format!("{A}:4000")));
}

#[test]
fn a_container_reaches_other_ports_of_its_node_as_the_host_gateway() {
    let mut n = node();
    let r = n.send(from(A), &tcp(A, 4000, NODE1, 22, SYN).from_mac(mac(A)));
    assert!(r.did(Event::Host), "{r:?}");
    assert_eq!((r.frame().src, r.frame().dst_mac), (HOST_GATEWAY, HOST_MAC));
    let port = r.frame().sport();
    let r = n.send(Entry::Host, &tcp(NODE1, 22, HOST_GATEWAY, port, SYN | ACK));
    assert!(r.did(Event::Local), "{r:?}");
    assert_eq!(r.frame().ends(), (format!("{NODE1}:22"), format!("{A}:4000")));
}

#[test]
fn a_process_of_the_host_reaches_a_published_port_through_the_host_gateway() {
    let mut n = node();
    n.published_to(E);
    let r = n.send(Entry::Host, &tcp(NODE1, 4000, HOST_GATEWAY, 8080, SYN));
    assert!(r.did(Event::Local), "{r:?}");
    let r = n.send(from(E), &tcp(E, 80, NODE1, 4000, SYN | ACK).from_mac(mac(E)));
    assert!(r.did(Event::Host), "{r:?}");
    assert_eq!(
        r.frame().ends(),
        (format!("{HOST_GATEWAY}:8080"), format!("{NODE1}:4000"))
    );
    assert_eq!(r.frame().dst_mac, HOST_MAC);
    n.published_to(G);
    let r = n.send(Entry::Host, &tcp(NODE1, 4001, HOST_GATEWAY, 8080, SYN));
    assert!(r.did(Event::MeshRequest), "{r:?}");
    let r = n.send(
        Entry::Overlay(VNI_MESH_REPLY, NODE2),
        &tcp(HOST_GATEWAY, 8080, NODE1, 4001, SYN | ACK),
    );
    assert!(r.did(Event::Host), "{r:?}");
}

#[test]
fn dns_reaches_the_resolver_under_the_endpoints_own_number_and_comes_back() {
    let mut n = node();
    let r = n.send(from(A), &udp(A, 4000, DNS_ADDR, 53).from_mac(mac(A)));
    assert!(r.did(Event::Local) && r.did(Event::Dns), "{r:?}");
    let caller = Ipv4Addr::from(DNS_CLIENT_BASE.to_bits() + ifindex(A));
    assert_eq!(r.frame().ends(), (format!("{caller}:4000"), format!("{DNS_ADDR}:53")));
    assert_eq!(r.frame().dst_mac, RESOLVER_MAC);
    let r = n.send(Entry::Host, &udp(DNS_ADDR, 53, caller, 4000));
    assert!(r.did(Event::Local), "{r:?}");
    assert_eq!(r.frame().ends(), (format!("{DNS_ADDR}:53"), format!("{A}:4000")));
    assert_eq!(r.frame().dst_mac, mac(A));
    let r = n.send(from(A), &tcp(A, 4000, DNS_ADDR, 22, SYN).from_mac(mac(A)));
    assert_eq!(r.dropped(), Some("link-local"), "only the resolver is there");
}

#[test]
fn the_hosts_stack_reaches_nothing_else_through_our_device() {
    let mut n = node();
    assert_eq!(n.send(Entry::Host, &tcp(NODE1, 1, HOST_GATEWAY, 9, SYN)).code, SHOT);
    assert_eq!(
        n.send(Entry::Host, &tcp(NODE1, 1, A, 9, SYN)).dropped(),
        Some("link-local")
    );
}
