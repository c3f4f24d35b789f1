//! What containers send: ARP, spoofing, endpoints, virtual addresses and the answers, hairpin, collisions.
#![allow(clippy::unwrap_used)]

use abi::*;
use prog::node::{Entry, NEXT, Node, REDIRECT};
use prog::packet::{ACK, Body, FIN, RST, SYN, arp, ip, tcp, udp};
use prog::*;

fn from(a: std::net::Ipv4Addr) -> Entry {
    Entry::Container(ifindex(a))
}

fn node() -> Node {
    Node::in_world().unwrap_or_else(|e| panic!("{e:#}"))
}

#[test]
fn arp_for_anything_is_answered_with_the_gateway_mac() {
    let mut n = node();
    let r = n.send_bytes(from(A), &arp(mac(A), A, C)).unwrap();
    assert_eq!(r.code, REDIRECT);
    assert!(r.did(Event::ArpAnswered));
    assert_eq!(r.bytes[0..6], mac(A));
    assert_eq!(r.bytes[20..22], [0, 2], "a reply");
    assert_eq!(r.bytes[22..28], GATEWAY_MAC);
    assert_eq!(r.bytes[28..32], C.octets());
}

#[test]
fn arp_for_the_own_address_finds_nobody() {
    let mut n = node();
    assert_eq!(
        n.send_bytes(from(A), &arp(mac(A), A, A)).unwrap().dropped(),
        Some("spoofed-arp")
    );
}

#[test]
fn a_source_that_is_not_the_endpoints_own_is_dropped() {
    let mut n = node();
    let r = n.send(from(A), &tcp(B, 1, C, 2, SYN).from_mac(mac(A)));
    assert_eq!(r.dropped(), Some("spoofed-source"));
    let r = n.send(from(A), &tcp(A, 1, C, 2, SYN).from_mac(mac(B)));
    assert_eq!(r.dropped(), Some("spoofed-mac"));
}

#[test]
fn a_known_endpoint_is_reached_here_or_through_the_tunnel() {
    let mut n = node();
    let r = n.send(from(A), &tcp(A, 1, B, 2, SYN).from_mac(mac(A)));
    assert!(r.did(Event::Local), "{r:?}");
    assert_eq!((r.frame().dst_mac, r.frame().src_mac), (mac(B), GATEWAY_MAC));
    let r = n.send(from(A), &tcp(A, 1, C, 2, SYN).from_mac(mac(A)));
    assert!(r.did(Event::Remote), "{r:?}");
    assert_eq!(r.frame().dst_mac, VXLAN_MAC);
}

#[test]
fn an_address_of_the_subnet_that_nobody_has_is_not_sent_to_the_world() {
    let mut n = node();
    let nobody = std::net::Ipv4Addr::new(10, 1, 0, 99);
    let r = n.send(from(A), &tcp(A, 1, nobody, 2, SYN).from_mac(mac(A)));
    assert_eq!(r.dropped(), Some("no-endpoint"));
}

#[test]
fn ingress_endpoints_do_not_reach_each_other() {
    let mut n = node();
    for dst in [F, G] {
        let r = n.send(from(E), &tcp(E, 1, dst, 2, SYN).from_mac(mac(E)));
        assert_eq!(r.dropped(), Some("ingress-isolated"));
    }
}

#[test]
fn a_virtual_address_becomes_its_backend_and_the_answer_becomes_the_virtual_address() {
    let mut n = node();
    n.vip_to(B);
    let r = n.send(from(A), &tcp(A, 4000, VIP, 80, SYN).from_mac(mac(A)));
    assert!(r.did(Event::Local) && r.did(Event::NewFlow), "{r:?}");
    assert_eq!(r.frame().ends(), (format!("{A}:4000"), format!("{B}:8080")));
    let r = n.send(from(A), &tcp(A, 4000, VIP, 80, ACK).from_mac(mac(A)));
    assert!(r.did(Event::Local) && !r.did(Event::NewFlow), "{r:?}");
    let r = n.send(from(B), &tcp(B, 8080, A, 4000, SYN | ACK).from_mac(mac(B)));
    assert_eq!(r.frame().ends(), (format!("{VIP}:80"), format!("{A}:4000")));
    assert_eq!(r.frame().dst_mac, mac(A));
}

#[test]
fn a_virtual_address_serves_every_port() {
    let mut n = node();
    n.backend(1, B, 0, 0, 0);
    n.virtual_address(VIP, 1, 1);
    for port in [80, 443] {
        let r = n.send(from(A), &tcp(A, 4000, VIP, port, SYN).from_mac(mac(A)));
        assert_eq!(r.frame().ends().1, format!("{B}:{port}"));
        let r = n.send(from(A), &tcp(A, 4000, VIP, port, ACK).from_mac(mac(A)));
        assert!(r.did(Event::Local) && !r.did(Event::NewFlow), "{r:?}");
        let r = n.send(from(B), &tcp(B, port, A, 4000, SYN | ACK).from_mac(mac(B)));
        assert_eq!(r.frame().ends().0, format!("{VIP}:{port}"));
    }
}

#[test]
fn a_remote_backend_answers_through_the_tunnel() {
    let mut n = node();
    n.vip_to(C);
    let r = n.send(from(A), &udp(A, 4000, VIP, 80).from_mac(mac(A)));
    assert!(r.did(Event::Remote), "{r:?}");
    assert_eq!(r.frame().ends(), (format!("{A}:4000"), format!("{C}:8080")));
    let r = n.send(Entry::Overlay(VNI, NODE2), &udp(C, 8080, A, 4000));
    assert!(r.did(Event::Local), "{r:?}");
    assert_eq!(r.frame().ends(), (format!("{VIP}:80"), format!("{A}:4000")));
}

#[test]
fn a_task_that_reaches_itself_sees_the_virtual_address_as_its_client() {
    let mut n = node();
    n.vip_to(A);
    let r = n.send(from(A), &tcp(A, 4000, VIP, 80, SYN).from_mac(mac(A)));
    assert!(r.did(Event::Local) && r.did(Event::Hairpin), "{r:?}");
    assert_eq!(r.frame().ends(), (format!("{VIP}:4000"), format!("{A}:8080")));
    let r = n.send(from(A), &tcp(A, 8080, VIP, 4000, SYN | ACK).from_mac(mac(A)));
    assert!(r.did(Event::Local), "{r:?}");
    assert_eq!(r.frame().ends(), (format!("{VIP}:80"), format!("{A}:4000")));
}

#[test]
fn two_virtual_addresses_over_one_task_get_different_source_ports() {
    let mut n = node();
    n.vip_to(B);
    let second = std::net::Ipv4Addr::new(10, 1, 0, 3);
    n.virtual_address(second, 5, 1);
    n.send(from(A), &tcp(A, 4000, VIP, 80, SYN).from_mac(mac(A)));
    let r = n.send(from(A), &tcp(A, 4000, second, 80, SYN).from_mac(mac(A)));
    assert!(r.did(Event::PortRemapped), "{r:?}");
    let port = r.frame().sport();
    assert_ne!(port, 4000);
    let r = n.send(from(B), &tcp(B, 8080, A, port, ACK).from_mac(mac(B)));
    assert_eq!(r.frame().ends(), (format!("{second}:80"), format!("{A}:4000")));
    let r = n.send(from(B), &tcp(B, 8080, A, 4000, ACK).from_mac(mac(B)));
    assert_eq!(r.frame().ends(), (format!("{VIP}:80"), format!("{A}:4000")));
}

#[test]
fn a_draining_backend_keeps_its_flows_and_gets_no_new_ones() {
    let mut n = node();
    n.vip_to(B);
    n.send(from(A), &tcp(A, 4000, VIP, 80, SYN).from_mac(mac(A)));
    n.backend(1, B, 8080, 0, BACKEND_DRAINING);
    let r = n.send(from(A), &tcp(A, 4000, VIP, 80, ACK).from_mac(mac(A)));
    assert!(r.did(Event::Local), "{r:?}");
    let r = n.send(from(A), &tcp(A, 4001, VIP, 80, SYN).from_mac(mac(A)));
    assert!(r.counted.contains_key("no-backend"), "{r:?}");
}

#[test]
fn a_flow_of_a_gone_backend_goes_to_another_one_to_be_reset_there() {
    let mut n = node();
    n.vip_to(B);
    n.send(from(A), &tcp(A, 4000, VIP, 80, SYN).from_mac(mac(A)));
    n.backend(3, C, 8080, 0, 0);
    n.virtual_address(VIP, 9, 3);
    n.remove::<u32, Backend>(map::BACKEND, 1);
    let r = n.send(from(A), &tcp(A, 4000, VIP, 80, ACK).from_mac(mac(A)));
    assert!(r.did(Event::Remote) && r.did(Event::NewFlow), "{r:?}");
    let r = n.send(Entry::Overlay(VNI, NODE2), &tcp(C, 8080, A, 4000, RST));
    assert_eq!(
        r.frame().ends().0,
        format!("{VIP}:80"),
        "the reset looks like the service's"
    );
}

#[test]
fn a_backend_id_given_anew_does_not_take_over_old_flows() {
    let mut n = node();
    n.vip_to(B);
    n.send(from(A), &tcp(A, 4000, VIP, 80, SYN).from_mac(mac(A)));
    n.backend(1, C, 8080, 0, 0);
    let r = n.send(from(A), &tcp(A, 4000, VIP, 80, ACK).from_mac(mac(A)));
    assert!(r.did(Event::NewFlow), "{r:?}");
}

#[test]
fn an_ended_connection_through_a_virtual_address_does_not_rewrite_a_direct_one() {
    let mut n = node();
    n.vip_to(B);
    n.send(from(A), &tcp(A, 4000, VIP, 80, SYN).from_mac(mac(A)));
    n.send(from(A), &tcp(A, 4000, VIP, 80, RST).from_mac(mac(A)));
    n.send(from(A), &tcp(A, 4000, B, 8080, SYN).from_mac(mac(A)));
    let r = n.send(from(B), &tcp(B, 8080, A, 4000, SYN | ACK).from_mac(mac(B)));
    assert_eq!(r.frame().ends().0, format!("{B}:8080"));
}

#[test]
fn a_direct_connection_beside_a_live_one_through_a_virtual_address_gets_another_port() {
    let mut n = node();
    n.vip_to(B);
    n.send(from(A), &tcp(A, 4000, VIP, 80, SYN).from_mac(mac(A)));
    let r = n.send(from(A), &tcp(A, 4000, B, 8080, SYN).from_mac(mac(A)));
    assert!(r.did(Event::Local) && r.did(Event::PortRemapped), "{r:?}");
    let port = r.frame().sport();
    assert_ne!(port, 4000);
    for flags in [SYN, ACK] {
        let r = n.send(from(A), &tcp(A, 4000, B, 8080, flags).from_mac(mac(A)));
        assert_eq!(r.frame().ends(), (format!("{A}:{port}"), format!("{B}:8080")));
    }
    let r = n.send(from(B), &tcp(B, 8080, A, port, SYN | ACK).from_mac(mac(B)));
    assert_eq!(r.frame().ends(), (format!("{B}:8080"), format!("{A}:4000")));
    let r = n.send(from(B), &tcp(B, 8080, A, 4000, ACK).from_mac(mac(B)));
    assert_eq!(r.frame().ends(), (format!("{VIP}:80"), format!("{A}:4000")));
}

#[test]
fn a_closed_connections_port_can_be_used_again() {
    let mut n = node();
    n.vip_to(B);
    n.send(from(A), &tcp(A, 4000, VIP, 80, SYN).from_mac(mac(A)));
    n.send(from(A), &tcp(A, 4000, VIP, 80, FIN).from_mac(mac(A)));
    n.send(from(B), &tcp(B, 8080, A, 4000, FIN).from_mac(mac(B)));
    n.backend(3, C, 8080, 0, 0);
    n.virtual_address(VIP, 9, 3);
    let r = n.send(from(A), &tcp(A, 4000, VIP, 80, ACK).from_mac(mac(A)));
    assert_eq!(
        r.frame().ends().1,
        format!("{B}:8080"),
        "the last ACK reaches the old backend"
    );
    let r = n.send(from(A), &tcp(A, 4000, VIP, 80, SYN).from_mac(mac(A)));
    assert_eq!(r.frame().ends().1, format!("{C}:8080"));
}

#[test]
fn ping_between_endpoints_passes_unchanged() {
    let mut n = node();
    let ping = ip(A, B, Body::Echo(8, 77, vec![1; 20])).from_mac(mac(A));
    let r = n.send(from(A), &ping);
    assert!(r.did(Event::Local), "{r:?}");
    assert_eq!(r.frame().body, ping.body);
}

#[test]
fn a_virtual_address_answers_ping() {
    let mut n = node();
    let ping = ip(A, VIP, Body::Echo(8, 77, vec![1; 20])).from_mac(mac(A));
    assert_eq!(n.send(from(A), &ping).dropped(), Some("no-endpoint"));
    n.vip_to(B);
    let r = n.send(from(A), &ping);
    assert!(r.did(Event::EchoAnswered), "{r:?}");
    let f = r.frame();
    assert_eq!((f.src, f.dst, f.dst_mac), (VIP, A, mac(A)));
    assert_eq!(f.body, Body::Echo(0, 77, vec![1; 20]));
}

#[test]
fn a_service_without_backends_refuses_connections_at_once() {
    let mut n = node();
    n.virtual_address(VIP, 1, 0);
    for (flags, answer) in [(SYN, RST), (ACK, 4), (FIN, 4)] {
        let r = n.send(from(A), &tcp(A, 4000, VIP, 80, flags).from_mac(mac(A)));
        assert_eq!(r.code, REDIRECT);
        assert!(r.did(Event::ResetSent) && r.counted.contains_key("no-backend"), "{r:?}");
        let f = r.frame();
        assert_eq!(f.ends(), (format!("{VIP}:80"), format!("{A}:4000")));
        assert_eq!((f.body, f.dst_mac), (Body::Tcp(80, 4000, answer, vec![]), mac(A)));
        let (seq, ack) = (&r.bytes[38..42], &r.bytes[42..46]);
        // The builder's sequence is 1 and its acknowledgement 2; 32 bytes of data and the SYN count.
        assert_eq!((seq[3], ack[3]), if flags == SYN { (0, 34) } else { (2, 0) });
    }
    let r = n.send(from(A), &udp(A, 4000, VIP, 80).from_mac(mac(A)));
    assert_eq!(r.dropped(), Some("no-backend"));
    let r = n.send(from(A), &tcp(A, 4000, VIP, 80, RST).from_mac(mac(A)));
    assert_eq!(r.dropped(), Some("no-backend"), "never a reset for a reset");
}

#[test]
fn without_configuration_containers_are_cut_off_and_uplinks_left_alone() {
    let mut n = node();
    n.set(map::CONFIG, 0, Config::default());
    assert_eq!(
        n.send(from(A), &tcp(A, 1, B, 2, SYN).from_mac(mac(A))).dropped(),
        Some("no-config")
    );
    assert_eq!(n.send(Entry::Uplink, &tcp(CLIENT, 1, NODE1, 8080, SYN)).code, NEXT);
}

#[test]
fn a_container_cannot_forge_a_tunnel() {
    let mut n = node();
    for node in [NODE1, NODE2] {
        let r = n.send(from(A), &udp(A, 4000, node, DATA_PORT).from_mac(mac(A)));
        assert_eq!(r.dropped(), Some("forged-tunnel"));
    }
}
