//! Published ports on their ingress node and on the backend's, the way home, the second chance.
#![allow(clippy::unwrap_used)]

use abi::*;
use prog::node::{Entry, NEXT, Node};
use prog::packet::{ACK, Body, FIN, SYN, ip, tcp, udp};
use prog::*;
use std::net::Ipv4Addr;

fn from(a: Ipv4Addr) -> Entry {
    Entry::Container(ifindex(a))
}

fn node() -> Node {
    Node::in_world().unwrap_or_else(|e| panic!("{e:#}"))
}

/// The inner MAC that names a node.
fn names(node: Ipv4Addr, mark: u8) -> Mac {
    let o = node.octets();
    [2, mark, o[0], o[1], o[2], o[3]]
}

const NOBODY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

/// A mesh request from node 2, which is its ingress node; `previous` had the slot just before.
fn request(previous: Ipv4Addr, handed_on: u8, mut f: prog::packet::Frame) -> prog::packet::Frame {
    f.dst_mac = names(previous, u8::from(previous != NOBODY));
    f.src_mac = names(NODE2, handed_on);
    f
}

/// Hop of a request for the earlier owner at a place: this and the place.
const HANDED_ON: u8 = 3;
/// Hop of one that goes to the node which named this one the owner.
const INSISTED: u8 = 3;
/// Hop of one that an earlier owner gives back: this and its place.
const GIVEN_BACK: u8 = 8;

const MESH: Entry = Entry::Overlay(VNI_MESH_REQUEST, NODE2);

#[test]
fn a_published_port_reaches_a_local_task_with_the_clients_own_address() {
    let mut n = node();
    n.published_to(E);
    let r = n.send(Entry::Uplink, &tcp(CLIENT, 4000, NODE1, 8080, SYN));
    assert!(r.did(Event::Local), "{r:?}");
    assert_eq!(r.frame().ends(), (format!("{CLIENT}:4000"), format!("{E}:80")));
    assert_eq!(r.frame().dst_mac, mac(E));
    let r = n.send(from(E), &tcp(E, 80, CLIENT, 4000, SYN | ACK).from_mac(mac(E)));
    assert!(r.did(Event::Uplink), "{r:?}");
    assert_eq!(r.frame().ends(), (format!("{NODE1}:8080"), format!("{CLIENT}:4000")));
}

#[test]
fn what_is_not_ours_on_an_uplink_is_left_alone() {
    let mut n = node();
    n.published_to(E);
    let frames = [
        tcp(CLIENT, 4000, NODE1, 22, SYN),
        tcp(CLIENT, 4000, NODE1, 2377, SYN),
        udp(NODE2, 50000, NODE1, DATA_PORT),
        tcp(CLIENT, 4000, NODE2, 8080, SYN),
        udp(CLIENT, 53, NODE1, 61500),
        ip(CLIENT, NODE1, Body::Echo(8, 5, vec![0; 8])),
    ];
    for f in frames {
        let r = n.send(Entry::Uplink, &f);
        assert_eq!((r.code, &r.bytes), (NEXT, &f.bytes()), "{f:?}");
    }
}

#[test]
fn a_port_that_the_host_holds_is_not_captured_but_served_for_other_nodes() {
    let mut n = node();
    n.published_to(E);
    let key = FrontendKey {
        scope: 0,
        addr: Addr::NONE,
        port: Be16::new(8080),
        proto: IPPROTO_TCP,
        reserved: 0,
    };
    n.put(
        map::FRONTEND,
        key,
        Frontend {
            ring_base: 11,
            ring_slots: 1,
            service: 1,
            flags: FRONTEND_HELD,
        },
    );
    assert_eq!(n.send(Entry::Uplink, &tcp(CLIENT, 4000, NODE1, 8080, SYN)).code, NEXT);
    let r = n.send(MESH, &request(NOBODY, 0, tcp(CLIENT, 4000, NODE2, 8080, SYN)));
    assert!(r.did(Event::Local), "{r:?}");
}

#[test]
fn a_remote_task_is_reached_with_the_packet_unmodified() {
    let mut n = node();
    n.published_to(G);
    let f = tcp(CLIENT, 4000, NODE1, 8080, SYN);
    let r = n.send(Entry::Uplink, &f);
    assert!(r.did(Event::MeshRequest) && !r.did(Event::NewFlow), "{r:?}");
    assert_eq!(r.bytes[12..], f.bytes()[12..]);
    assert_eq!(
        r.frame().src_mac,
        names(NODE1, 0),
        "the ingress node rides in the source MAC"
    );
    assert_eq!(r.frame().dst_mac, names(NOBODY, 0));
}

#[test]
fn the_backends_node_translates_and_answers_through_the_ingress_node() {
    let mut n = node();
    n.published_to(E);
    let r = n.send(MESH, &request(NOBODY, 0, tcp(CLIENT, 4000, NODE2, 8080, SYN)));
    assert!(r.did(Event::Local), "{r:?}");
    assert_eq!(r.frame().ends(), (format!("{CLIENT}:4000"), format!("{E}:80")));
    let r = n.send(from(E), &tcp(E, 80, CLIENT, 4000, SYN | ACK).from_mac(mac(E)));
    assert!(r.did(Event::MeshReply), "{r:?}");
    assert_eq!(r.frame().ends(), (format!("{NODE2}:8080"), format!("{CLIENT}:4000")));
}

#[test]
fn a_reply_from_the_mesh_goes_out_to_the_client() {
    let mut n = node();
    n.published_to(G);
    let r = n.send(
        Entry::Overlay(VNI_MESH_REPLY, NODE2),
        &tcp(NODE1, 8080, CLIENT, 4000, ACK),
    );
    assert!(r.did(Event::Uplink), "{r:?}");
}

#[test]
fn one_client_port_through_two_nodes_gets_two_ports_at_the_task() {
    let mut n = node();
    n.published_to(E);
    n.send(Entry::Uplink, &tcp(CLIENT, 4000, NODE1, 8080, SYN));
    let r = n.send(MESH, &request(NOBODY, 0, tcp(CLIENT, 4000, NODE2, 8080, SYN)));
    assert!(r.did(Event::Local) && r.did(Event::PortRemapped), "{r:?}");
    let port = r.frame().sport();
    let r = n.send(from(E), &tcp(E, 80, CLIENT, port, ACK).from_mac(mac(E)));
    assert!(r.did(Event::MeshReply), "{r:?}");
    assert_eq!(r.frame().ends(), (format!("{NODE2}:8080"), format!("{CLIENT}:4000")));
    let r = n.send(from(E), &tcp(E, 80, CLIENT, 4000, ACK).from_mac(mac(E)));
    assert!(r.did(Event::Uplink), "{r:?}");
    assert_eq!(r.frame().ends(), (format!("{NODE1}:8080"), format!("{CLIENT}:4000")));
}

#[test]
fn a_packet_the_owner_does_not_know_is_handed_on_to_the_previous_owner() {
    let mut n = node();
    n.published_to(E);
    let r = n.send(MESH, &request(NODE3, 0, tcp(CLIENT, 4000, NODE2, 8080, ACK)));
    assert!(r.did(Event::MeshRequest), "{r:?}");
    assert_eq!(r.frame().src_mac, names(NODE2, HANDED_ON + 1), "the ingress node stays");
    assert_eq!(r.frame().dst_mac, names(NOBODY, 0));
    let r = n.send(MESH, &request(NODE3, 0, tcp(CLIENT, 4000, NODE2, 8080, SYN)));
    assert!(r.did(Event::Local), "a SYN is the owner's: {r:?}");
    let r = n.send(MESH, &request(NODE3, 0, tcp(CLIENT, 4000, NODE2, 8080, ACK)));
    assert!(r.did(Event::Local), "and so is its connection: {r:?}");
}

#[test]
fn an_earlier_owner_sends_back_what_it_does_not_know_and_the_ingress_node_ends_its_way() {
    let mut n = node();
    n.published_to(E);
    let r = n.send(
        MESH,
        &request(NOBODY, HANDED_ON + 1, tcp(CLIENT, 4000, NODE2, 8080, ACK)),
    );
    assert!(r.did(Event::MeshRequest), "{r:?}");
    assert_eq!(r.frame().src_mac, names(NODE2, GIVEN_BACK + 1));
    // Owner here, on node 2 before.
    n.backend(13, G, 80, IPPROTO_TCP, 0);
    n.frontend(8080, IPPROTO_TCP, 11, 11, 13);
    let mut back = tcp(CLIENT, 4001, NODE1, 8080, ACK);
    back.src_mac = names(NODE1, GIVEN_BACK + 1);
    back.dst_mac = names(NOBODY, 0);
    let r = n.send(MESH, &back);
    assert!(r.did(Event::Local), "nobody before node 2: {r:?}");
}

#[test]
fn a_closed_connections_record_does_not_steal_a_live_one_of_the_previous_owner() {
    let mut n = node();
    n.published_to(E);
    n.send(MESH, &request(NOBODY, 0, tcp(CLIENT, 4000, NODE2, 8080, SYN)));
    n.send(MESH, &request(NOBODY, 0, tcp(CLIENT, 4000, NODE2, 8080, FIN)));
    n.send(from(E), &tcp(E, 80, CLIENT, 4000, FIN).from_mac(mac(E)));
    let r = n.send(MESH, &request(NODE3, 0, tcp(CLIENT, 4000, NODE2, 8080, ACK)));
    assert!(r.did(Event::MeshRequest), "{r:?}");
    assert_eq!(r.frame().ends().1, format!("{NODE2}:8080"), "untranslated");
}

#[test]
fn the_previous_owner_keeps_its_connections_after_the_ring_moved_away() {
    let mut n = node();
    n.published_to(E);
    n.send(MESH, &request(NOBODY, 0, tcp(CLIENT, 4000, NODE2, 8080, SYN)));
    n.backend(13, G, 80, IPPROTO_TCP, 0);
    n.frontend(8080, IPPROTO_TCP, 11, 13, 11);
    let r = n.send(MESH, &request(NOBODY, 1, tcp(CLIENT, 4000, NODE2, 8080, ACK)));
    assert!(r.did(Event::Local), "{r:?}");
    let r = n.send(MESH, &request(NOBODY, 1, tcp(CLIENT, 4001, NODE2, 8080, ACK)));
    assert!(
        r.did(Event::Local),
        "the last hop takes everything; the task resets it: {r:?}"
    );
}

#[test]
fn on_the_ingress_node_itself_a_moved_slot_keeps_old_connections() {
    let mut n = node();
    n.published_to(E);
    n.send(Entry::Uplink, &tcp(CLIENT, 4000, NODE1, 8080, SYN));
    n.backend(13, G, 80, IPPROTO_TCP, 0);
    n.frontend(8080, IPPROTO_TCP, 11, 13, 11);
    assert!(
        n.send(Entry::Uplink, &tcp(CLIENT, 4000, NODE1, 8080, ACK))
            .did(Event::Local),
        "this node's"
    );
    let r = n.send(Entry::Uplink, &tcp(CLIENT, 4001, NODE1, 8080, SYN));
    assert!(r.did(Event::MeshRequest), "new ones move: {r:?}");
    // And the other way round: owner here, previous on node 2.
    n.frontend(8080, IPPROTO_TCP, 11, 11, 13);
    let r = n.send(Entry::Uplink, &tcp(CLIENT, 4001, NODE1, 8080, ACK));
    assert!(r.did(Event::MeshRequest), "node 2's: {r:?}");
}

#[test]
fn a_request_for_another_nodes_backend_goes_on_twice_and_no_further() {
    let mut n = node();
    n.published_to(G);
    let syn = |hop| request(NOBODY, hop, tcp(CLIENT, 4000, NODE3, 8080, SYN));
    let r = n.send(MESH, &syn(0));
    assert!(r.did(Event::MeshRequest), "{r:?}");
    assert_eq!(r.frame().src_mac, names(NODE2, 1));
    let r = n.send(MESH, &syn(1));
    assert!(r.did(Event::MeshRequest), "back to the newer ring: {r:?}");
    assert_eq!(r.frame().src_mac, names(NODE2, INSISTED));
    assert_eq!(n.send(MESH, &syn(INSISTED)).dropped(), Some("no-local-backend"));
    let r = n.send(MESH, &request(NOBODY, 1, tcp(CLIENT, 4001, NODE3, 8080, ACK)));
    assert_eq!(r.dropped(), Some("no-local-backend"));
}

#[test]
fn tunnel_frames_are_taken_from_peers_only_and_only_about_their_own_endpoints() {
    let mut n = node();
    let stranger = Ipv4Addr::new(192, 168, 7, 99);
    let f = tcp(C, 1, A, 2, SYN);
    assert_eq!(
        n.send(Entry::Overlay(VNI, stranger), &f).dropped(),
        Some("unknown-peer")
    );
    assert_eq!(
        n.send(Entry::Overlay(VNI, NODE3), &f).dropped(),
        Some("sender-mismatch")
    );
    assert_eq!(
        n.send(Entry::Overlay(VNI + 1, NODE2), &f).dropped(),
        Some("sender-mismatch")
    );
    assert_eq!(
        n.send(Entry::Overlay(VNI, NODE2), &tcp(B, 1, A, 2, SYN)).dropped(),
        Some("sender-mismatch")
    );
    assert!(n.send(Entry::Overlay(VNI, NODE2), &f).did(Event::Local));
    assert_eq!(
        n.send(Entry::Overlay(VNI_FIRST, NODE2), &tcp(G, 1, E, 2, SYN))
            .dropped(),
        Some("sender-mismatch")
    );
    let r = n.send(MESH, &request(NOBODY, 0, tcp(CLIENT, 1, NODE2, 9, SYN)));
    assert_eq!(r.dropped(), Some("unknown-frontend"));
}
