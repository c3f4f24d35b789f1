//! Fragments, ICMP errors, broken and random frames.
#![allow(clippy::unwrap_used)]

use abi::*;
use prog::node::{Entry, NEXT, Node, REDIRECT, SHOT};
use prog::packet::{Body, Frame, SYN, ip, tcp, udp, unreachable};
use prog::*;
use std::net::Ipv4Addr;

fn from(a: Ipv4Addr) -> Entry {
    Entry::Container(ifindex(a))
}

fn node() -> Node {
    Node::in_world().unwrap_or_else(|e| panic!("{e:#}"))
}

/// A UDP datagram in two fragments, and whole (for its checksum).
fn pieces(src: Ipv4Addr, dst: Ipv4Addr, dport: u16) -> (Frame, Frame, Vec<u8>) {
    let whole = ip(src, dst, Body::Udp(4000, dport, (0..200).collect())).from_mac(mac(src));
    let l4 = whole.bytes()[34..].to_vec();
    let part = |range: std::ops::Range<usize>, field| {
        ip(src, dst, Body::Raw(IPPROTO_UDP, l4[range].to_vec()))
            .from_mac(mac(src))
            .fragment(99, field)
    };
    (part(0..104, 0x2000), part(104..l4.len(), 13), l4)
}

/// Puts two fragments together and verifies the checksum of the whole.
fn joined(first: &Frame, later: &Frame) -> Frame {
    let (a, b) = (first.bytes_of_layer4(), later.bytes_of_layer4());
    let mut whole = ip(first.src, first.dst, Body::Raw(IPPROTO_UDP, [a, b].concat()));
    whole.id = first.id;
    Frame::parse(&whole.bytes()).unwrap()
}

#[test]
fn fragments_of_one_datagram_reach_one_backend_with_a_right_checksum() {
    let mut n = node();
    n.vip_to(B);
    let (first, later, _) = pieces(A, VIP, 80);
    let a = n.send(from(A), &first);
    let b = n.send(from(A), &later);
    assert!(
        a.did(Event::Local) && b.did(Event::Local) && b.did(Event::Fragment),
        "{a:?} {b:?}"
    );
    let whole = joined(&raw(&a.bytes), &raw(&b.bytes));
    assert_eq!(whole.ends(), (format!("{A}:4000"), format!("{B}:8080")));
}

/// Parses without taking layer 4 apart.
fn raw(bytes: &[u8]) -> Frame {
    let mut f = Frame::parse(bytes).unwrap();
    f.body = Body::Raw(IPPROTO_UDP, bytes[34..].to_vec());
    f
}

#[test]
fn fragments_of_masqueraded_and_published_flows_follow_their_first() {
    let mut n = node();
    n.published_to(E);
    let (first, later, _) = pieces(A, CLIENT, 53);
    let (a, b) = (n.send(from(A), &first), n.send(from(A), &later));
    assert!(a.did(Event::Uplink) && b.did(Event::Uplink), "{a:?} {b:?}");
    let whole = joined(&raw(&a.bytes), &raw(&b.bytes));
    assert_eq!(whole.src, NODE1);
    let (first, later, _) = pieces(CLIENT, NODE1, 8080);
    let (a, b) = (n.send(Entry::Uplink, &first), n.send(Entry::Uplink, &later));
    assert!(a.did(Event::Local) && b.did(Event::Local), "{a:?} {b:?}");
    assert_eq!(joined(&raw(&a.bytes), &raw(&b.bytes)).ends().1, format!("{E}:80"));
}

#[test]
fn a_later_fragment_without_its_first_is_dropped_from_a_container_and_left_alone_on_an_uplink() {
    let mut n = node();
    n.published_to(E);
    let (_, later, _) = pieces(A, VIP, 80);
    assert_eq!(n.send(from(A), &later).dropped(), Some("fragment-unknown"));
    let (_, later, _) = pieces(CLIENT, NODE1, 8080);
    assert_eq!(n.send(Entry::Uplink, &later).code, NEXT);
}

#[test]
fn an_icmp_error_about_a_masqueraded_flow_reaches_its_container_translated() {
    let mut n = node();
    let out = n
        .send(from(A), &tcp(A, 4000, CLIENT, 443, SYN).from_mac(mac(A)))
        .frame();
    let router = Ipv4Addr::new(198, 51, 100, 1);
    let r = n.send(Entry::Uplink, &unreachable(router, &out));
    assert!(r.did(Event::Local) && r.did(Event::IcmpTranslated), "{r:?}");
    assert_eq!((r.frame().src, r.frame().dst), (router, A));
    assert_eq!(r.frame().quoted_ends(), (format!("{A}:4000"), format!("{CLIENT}:443")));
}

#[test]
fn an_icmp_error_of_a_task_reaches_the_client_as_if_from_the_virtual_address() {
    let mut n = node();
    n.vip_to(B);
    let got = n.send(from(A), &udp(A, 4000, VIP, 80).from_mac(mac(A))).frame();
    let r = n.send(from(B), &unreachable(B, &got).from_mac(mac(B)));
    assert!(r.did(Event::Local) && r.did(Event::IcmpTranslated), "{r:?}");
    assert_eq!((r.frame().src, r.frame().dst), (VIP, A));
    assert_eq!(r.frame().quoted_ends(), (format!("{A}:4000"), format!("{VIP}:80")));
}

#[test]
fn an_icmp_error_about_a_published_flows_answer_reaches_its_task() {
    let mut n = node();
    n.published_to(E);
    n.send(Entry::Uplink, &tcp(CLIENT, 4000, NODE1, 8080, SYN));
    let answer = n.send(from(E), &tcp(E, 80, CLIENT, 4000, 18).from_mac(mac(E))).frame();
    let router = Ipv4Addr::new(198, 51, 100, 1);
    let r = n.send(Entry::Uplink, &unreachable(router, &answer));
    assert!(r.did(Event::Local), "{r:?}");
    assert_eq!(r.frame().quoted_ends(), (format!("{E}:80"), format!("{CLIENT}:4000")));
    n.published_to(G);
    let about = tcp(NODE1, 8080, CLIENT, 4002, 18);
    let r = n.send(Entry::Uplink, &unreachable(router, &about));
    assert!(r.did(Event::MeshRequest), "{r:?}");
}

#[test]
fn an_icmp_error_about_nothing_is_left_alone_or_dropped() {
    let mut n = node();
    let f = unreachable(CLIENT, &tcp(NODE1, 22, CLIENT, 4000, 18));
    assert_eq!(n.send(Entry::Uplink, &f).code, NEXT);
    let f = unreachable(A, &tcp(CLIENT, 443, A, 4000, 18)).from_mac(mac(A));
    assert_eq!(n.send(from(A), &f).dropped(), Some("icmp-unrelated"));
}

#[test]
fn ipv6_and_strange_ethertypes_are_dropped_from_containers_and_left_alone_on_uplinks() {
    let mut n = node();
    for (kind, reason) in [([0x86, 0xdd], "ipv6"), ([0x88, 0xcc], "unknown-ethertype")] {
        let mut b = tcp(A, 1, B, 2, SYN).from_mac(mac(A)).bytes();
        b[12..14].copy_from_slice(&kind);
        assert_eq!(n.send_bytes(from(A), &b).unwrap().dropped(), Some(reason));
        assert_eq!(n.send_bytes(Entry::Uplink, &b).unwrap().code, NEXT);
    }
}

#[test]
fn truncated_frames_never_pass_from_a_container() {
    let mut n = node();
    n.vip_to(B);
    let whole = tcp(A, 4000, VIP, 80, SYN).from_mac(mac(A)).bytes();
    // The kernel refuses test runs of IPv4 frames without a whole IP header.
    for len in 34..whole.len() {
        let r = n.send_bytes(from(A), &whole[..len]).unwrap();
        assert_eq!(r.dropped(), Some("malformed"), "{len} bytes");
    }
}

#[test]
fn random_frames_get_a_valid_verdict_everywhere() {
    let mut n = node();
    n.vip_to(B);
    n.published_to(E);
    let mut seed = 0x1234_5678_9abc_def0_u64;
    let mut dice = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let templates = [
        tcp(A, 4000, VIP, 80, SYN).from_mac(mac(A)),
        udp(A, 4000, CLIENT, 53).from_mac(mac(A)),
        tcp(CLIENT, 4000, NODE1, 8080, SYN),
        unreachable(A, &udp(VIP, 80, A, 4000)).from_mac(mac(A)),
        udp(DNS_ADDR, 53, A, 4000),
    ];
    for round in 0..10_000 {
        let mut b = templates[dice() as usize % templates.len()].bytes();
        for _ in 0..dice() % 4 {
            let at = 12 + dice() as usize % (b.len() - 12);
            b[at] = dice() as u8;
        }
        if dice() % 4 == 0 {
            b.truncate((34 + dice() as usize % b.len()).min(b.len()));
        }
        let entry = match dice() % 5 {
            0 | 1 => from(A),
            2 => Entry::Overlay([VNI, VNI_MESH_REQUEST, VNI_MESH_REPLY][dice() as usize % 3], NODE2),
            3 => Entry::Uplink,
            _ => Entry::Host,
        };
        let r = n.send_bytes(entry, &b).unwrap();
        assert!([NEXT, SHOT, REDIRECT].contains(&r.code), "round {round}: {r:?}");
        assert!(
            r.code != SHOT || r.dropped().is_some(),
            "round {round}: a drop without a reason"
        );
        assert!(
            r.code != NEXT || (matches!(entry, Entry::Uplink) && r.bytes == b),
            "round {round}: {entry:?} {r:?}"
        );
    }
}
