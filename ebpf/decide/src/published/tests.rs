use super::*;
use crate::second_chance::{HOP_ASK, HOP_INSIST, HOP_LAST};
use crate::testing::{Memory, addr, backend, config, segment};
use crate::work::{Kind, TCP_ACK, TCP_SYN};

/// Port 8080 published with one slot; backends 1 on this node (10.0.0.1), 2 on node 2, 3 on node 3.
fn mesh(owner: u32, previous: u32) -> Memory {
    let mut m = Memory::default();
    m.ring.push(Slot {
        owner,
        earlier: [previous, 0, 0],
    });
    for node in [1, 2, 3] {
        let b = Backend {
            proto: 0,
            ..backend(10 + node, node, 0)
        };
        m.backends.insert(u32::from(node), b);
    }
    let here = Endpoint {
        vtep: addr(1),
        ifindex: 50,
        netns: 1,
        ..Endpoint::default()
    };
    m.endpoints.insert(EndpointKey { vni: 7, addr: addr(11) }, here);
    let key = FrontendKey {
        scope: SCOPE_PUBLISHED,
        port: Be16::new(8080),
        proto: IPPROTO_TCP,
        ..FrontendKey::default()
    };
    let udp = FrontendKey {
        proto: IPPROTO_UDP,
        ..key
    };
    m.frontends.insert(
        udp,
        Frontend {
            ring_slots: 1,
            ..Frontend::default()
        },
    );
    m.frontends.insert(
        key,
        Frontend {
            ring_slots: 1,
            ..Frontend::default()
        },
    );
    m
}

/// The same as a datagram.
fn datagram(m: &Memory, previous: u8, hop: u32) -> (Decision, Work) {
    let mut w = segment(200, 1000, 1, 8080, 0);
    w.packet.kind = Kind::Udp;
    w.packet.tuple.proto = IPPROTO_UDP;
    w.to = w.packet.tuple;
    w.handed_on = hop;
    if previous != 0 {
        w.previous = addr(previous).low();
    }
    let decision = published(m, &config(), &mut w, Place::Owner).expect("a frontend");
    (decision, w)
}

#[test]
fn a_datagram_the_owner_does_not_know_is_offered_to_the_previous_owner_and_comes_back() {
    let mut m = mesh(1, 3);
    let (decision, w) = datagram(&m, 3, HOP_FIRST);
    assert_eq!((decision, w.out.vtep), (Ok(Verdict::MeshRequest), addr(3)));
    assert_eq!((w.out.handed_on, w.out.previous), (HOP_ASK, addr(1).low()));
    assert!(m.flows.borrow().is_empty());
    // Given back: it is the owner's now, and its next one is not offered again.
    assert_eq!(datagram(&m, 0, HOP_LAST).0, Ok(Verdict::Local));
    assert_eq!(datagram(&m, 3, HOP_FIRST).0, Ok(Verdict::Local));
    // A previous owner takes what it knows and gives the rest back.
    m = mesh(2, 1);
    let (decision, w) = datagram(&m, 2, HOP_ASK);
    assert_eq!((decision, w.out.vtep), (Ok(Verdict::MeshRequest), addr(2)));
    assert_eq!((w.out.handed_on, w.out.previous.raw()), (HOP_LAST, 0));
    m = mesh(1, 0);
    assert_eq!(datagram(&m, 0, HOP_FIRST).0, Ok(Verdict::Local));
    m.ring[0] = Slot {
        owner: 2,
        earlier: [1, 0, 0],
    };
    assert_eq!(datagram(&m, 2, HOP_ASK).0, Ok(Verdict::Local));
}

fn send(m: &Memory, place: Place, flags: u8, previous: u8) -> (Decision, Work) {
    let mut w = segment(200, 1000, 1, 8080, flags);
    if previous != 0 {
        (w.previous, w.place) = (addr(previous).low(), 1);
    }
    let decision = published(m, &config(), &mut w, place).expect("a frontend");
    (decision, w)
}

#[test]
fn the_ingress_node_keeps_nothing_about_flows_of_other_nodes() {
    let m = mesh(2, 3);
    let (decision, w) = send(&m, Place::Ingress, TCP_SYN, 0);
    assert_eq!(decision, Ok(Verdict::MeshRequest));
    assert_eq!(
        (w.out.vtep, w.out.previous, w.out.ingress),
        (addr(2), addr(3).low(), addr(1).low())
    );
    assert_eq!(w.to, w.packet.tuple);
    assert!(m.flows.borrow().is_empty());
}

#[test]
fn an_owner_that_drains_keeps_its_slot_until_the_ring_says_otherwise() {
    let mut m = mesh(2, 0);
    m.ring.push(Slot {
        owner: 3,
        ..Slot::default()
    });
    let both = Frontend {
        ring_slots: 2,
        ..Frontend::default()
    };
    m.frontends.values_mut().for_each(|f| *f = both);
    let before = send(&m, Place::Ingress, TCP_SYN, 0).1.out.vtep;
    for b in m.backends.values_mut().filter(|b| b.vtep == before) {
        b.flags = BACKEND_DRAINING;
    }
    assert_eq!(send(&m, Place::Ingress, TCP_ACK, 0).1.out.vtep, before);
}

#[test]
fn this_node_is_never_named_as_previous_owner() {
    let m = mesh(2, 1);
    assert_eq!(send(&m, Place::Ingress, TCP_SYN, 0).1.out.previous.raw(), 0);
}

#[test]
fn a_record_without_a_live_socket_yields_to_the_previous_owner() {
    let mut m = mesh(1, 3);
    assert_eq!(send(&m, Place::Owner, TCP_SYN, 3).0, Ok(Verdict::Local));
    m.connected = Some(true);
    assert_eq!(send(&m, Place::Owner, TCP_ACK, 3).0, Ok(Verdict::Local));
    m.connected = Some(false);
    let (decision, w) = send(&m, Place::Owner, TCP_ACK, 3);
    assert_eq!(
        (decision, w.out.vtep, w.out.handed_on),
        (Ok(Verdict::MeshRequest), addr(3), HOP_EARLIER + 1)
    );
    assert_eq!(w.to, w.packet.tuple, "handed on as it came");
    m.connected = None;
    assert_eq!(
        send(&m, Place::Owner, TCP_ACK, 3).0,
        Ok(Verdict::Local),
        "the record decides"
    );
}

#[test]
fn a_port_used_again_after_its_slot_has_moved_away_belongs_to_the_new_owner() {
    let mut m = mesh(1, 0);
    assert_eq!(send(&m, Place::Ingress, TCP_SYN, 0).0, Ok(Verdict::Local));
    for flow in m.flows.borrow_mut().values_mut() {
        flow.state = STATE_FIN_CLIENT | STATE_FIN_SERVER;
    }
    m.ring[0] = Slot {
        owner: 2,
        earlier: [1, 3, 0],
    };
    m.connected = Some(true);
    assert_eq!(
        send(&m, Place::Ingress, TCP_ACK, 0).0,
        Ok(Verdict::Local),
        "its last ACK"
    );
    m.connected = Some(false);
    for flags in [TCP_SYN, TCP_ACK] {
        let (decision, w) = send(&m, Place::Ingress, flags, 0);
        assert_eq!((decision, w.out.vtep), (Ok(Verdict::MeshRequest), addr(2)));
        assert_eq!((w.out.handed_on, w.out.previous), (HOP_FIRST, addr(3).low()));
        assert_eq!(w.to, w.packet.tuple);
    }
}

#[test]
fn without_any_owner_an_open_connection_still_finds_its_previous_one() {
    let mut m = mesh(9, 2);
    let (decision, w) = send(&m, Place::Ingress, TCP_ACK, 0);
    assert_eq!((decision, w.out.vtep), (Ok(Verdict::MeshRequest), addr(2)));
    assert_eq!(send(&m, Place::Ingress, TCP_SYN, 0).0, Err(DropReason::NoBackend));
    m.backends.clear();
    assert_eq!(send(&m, Place::Ingress, TCP_ACK, 0).0, Err(DropReason::NoBackend));
}

/// A packet of an open connection with a mark, from node `via` as its ingress (0 = this one).
fn marked(m: &Memory, hop: u32, via: u8) -> (Decision, Work) {
    marked_segment(m, TCP_ACK, hop, via)
}

fn marked_segment(m: &Memory, flags: u8, hop: u32, via: u8) -> (Decision, Work) {
    let mut w = segment(200, 1000, 1, 8080, flags);
    w.handed_on = hop;
    if via != 0 {
        w.via = addr(via).low();
    }
    let decision = published(m, &config(), &mut w, Place::Owner).expect("a frontend");
    (decision, w)
}

#[test]
fn a_slot_that_moved_more_than_once_is_followed_back_by_the_ingress_node() {
    let mut m = mesh(3, 1);
    let (decision, w) = marked(&m, HOP_EARLIER + 1, 2);
    assert_eq!((decision, w.out.vtep), (Ok(Verdict::MeshRequest), addr(2)), "unknown");
    assert_eq!((w.out.handed_on, w.out.ingress), (HOP_BACK + 1, addr(2).low()));
    m.ring[0].earlier = [3, 2, 0];
    let (decision, w) = marked(&m, HOP_BACK + 1, 0);
    assert_eq!((decision, w.out.vtep), (Ok(Verdict::MeshRequest), addr(2)));
    assert_eq!((w.out.handed_on, w.out.ingress), (HOP_EARLIER + 2, addr(1).low()));
    let (decision, w) = marked(&m, HOP_BACK + 2, 0);
    assert_eq!(
        (decision, w.out.vtep),
        (Ok(Verdict::MeshRequest), addr(3)),
        "nobody before"
    );
    assert_eq!(w.out.handed_on, HOP_LAST);
    m.ring[0].owner = 1;
    assert_eq!(marked(&m, HOP_BACK + 2, 0).0, Ok(Verdict::Local));
}

#[test]
fn an_earlier_owner_keeps_the_connections_it_knows() {
    let m = mesh(1, 0);
    let mut syn = segment(200, 1000, 1, 8080, TCP_SYN);
    syn.via = addr(2).low();
    assert_eq!(
        published(&m, &config(), &mut syn, Place::Owner),
        Some(Ok(Verdict::Local))
    );
    assert_eq!(marked(&m, HOP_EARLIER + 1, 2).0, Ok(Verdict::Local));
}

#[test]
fn the_ingress_node_names_the_latest_owner_on_a_third_node() {
    let mut m = mesh(2, 0);
    m.ring[0].earlier = [2, 1, 3];
    let out = send(&m, Place::Ingress, TCP_ACK, 0).1.out;
    assert_eq!((out.vtep, out.previous, out.place), (addr(2), addr(3).low(), 3));
    m.ring[0].owner = 1;
    let out = send(&m, Place::Ingress, TCP_ACK, 0).1.out;
    assert_eq!((out.vtep, out.handed_on), (addr(2), HOP_EARLIER + 1));
}

#[test]
fn a_first_packet_that_two_nodes_take_for_each_others_ends_at_the_newer_ring() {
    // Node 3 has the newer ring, in which this node owns the slot; ours names node 3.
    let older = mesh(3, 0);
    let (decision, w) = marked_segment(&older, TCP_SYN, HOP_LAST, 2);
    assert_eq!((decision, w.out.vtep), (Ok(Verdict::MeshRequest), addr(3)));
    assert_eq!((w.out.handed_on, w.out.ingress), (HOP_INSIST, addr(2).low()));
    // There: node 3 owns the slot now, its task had it before and drains.
    let mut newer = mesh(3, 1);
    newer.backends.entry(1).and_modify(|b| b.flags = BACKEND_DRAINING);
    assert_eq!(marked_segment(&newer, TCP_SYN, HOP_INSIST, 2).0, Ok(Verdict::Local));
    assert_eq!(
        marked(&newer, HOP_FIRST, 2).0,
        Ok(Verdict::Local),
        "the rest of the flow"
    );
}

#[test]
fn a_packet_that_was_insisted_on_goes_no_further() {
    let older = mesh(3, 0);
    let gone = Err(DropReason::NoLocalBackend);
    assert_eq!(marked_segment(&older, TCP_SYN, HOP_INSIST, 2).0, gone);
    assert_eq!(
        marked(&older, HOP_LAST, 2).0,
        gone,
        "nor does one of an open connection"
    );
}

#[test]
fn marks_of_no_meaning_end_somewhere() {
    let m = mesh(3, 2);
    let (decision, w) = marked(&m, 255, 0);
    assert_eq!((decision, w.out.handed_on), (Ok(Verdict::MeshRequest), HOP_LAST));
    assert_eq!(marked(&m, 255, 2).0, Err(DropReason::NoLocalBackend));
}
