//! Probes of the data port: out, turned around, back.
#![allow(clippy::unwrap_used)]

use std::net::Ipv4Addr;

use abi::*;
use prog::node::{Entry, Node};
use prog::packet::{Body, Frame, ip};
use prog::*;

const AGENT: u16 = 40000;

/// The agent's question to the node at `target`.
fn question(target: Ipv4Addr) -> Frame {
    let payload = [target.octets().as_slice(), b"0123456789abcdef0123456789ab"].concat();
    ip(DNS_ADDR, PROBE_ADDR, Body::Udp(AGENT, PROBE_PORT.get(), payload))
}

fn node() -> Node {
    Node::in_world().unwrap_or_else(|e| panic!("{e:#}"))
}

#[test]
fn a_probe_goes_into_the_tunnel_is_turned_around_and_comes_back() {
    let mut n = node();
    let asked = question(NODE2);
    let out = n.send(Entry::Host, &asked);
    assert!(out.did(Event::Remote), "{out:?}");
    assert_eq!(out.frame().body, asked.body);
    // The peer runs the same program; here this node is asked by it.
    let turned = n.send(Entry::Overlay(VNI_PROBE, NODE2), &out.frame());
    assert!(turned.did(Event::Remote), "{turned:?}");
    let ends = (
        format!("{PROBE_ADDR}:{}", PROBE_PORT.get()),
        format!("{DNS_ADDR}:{AGENT}"),
    );
    assert_eq!(turned.frame().ends(), ends);
    let back = n.send(Entry::Overlay(VNI_PROBE_REPLY, NODE2), &turned.frame());
    assert!(back.did(Event::Host), "{back:?}");
    assert_eq!((back.frame().ends(), back.frame().dst_mac), (ends, HOST_MAC));
}

#[test]
fn what_goes_one_way_reaches_the_other_agent() {
    let mut n = node();
    let payload = [NODE2.octets().as_slice(), b"0123456789ab"].concat();
    let port = ONE_WAY_PORT.get();
    let sent = ip(DNS_ADDR, PROBE_ADDR, Body::Udp(port, port, payload));
    let out = n.send(Entry::Host, &sent);
    assert!(out.did(Event::Remote), "{out:?}");
    let ends = (
        format!("{PROBE_ADDR}:{}", PROBE_PORT.get()),
        format!("{DNS_ADDR}:{port}"),
    );
    assert_eq!(out.frame().ends(), ends);
    let heard = n.send(Entry::Overlay(VNI_PROBE_REPLY, NODE2), &out.frame());
    assert!(heard.did(Event::Host), "{heard:?}");
    assert_eq!(heard.frame().ends(), ends);
}

#[test]
fn strangers_other_ports_and_short_questions_get_nothing() {
    let mut n = node();
    let stranger = Ipv4Addr::new(192, 168, 7, 9);
    assert_eq!(n.send(Entry::Host, &question(stranger)).dropped(), Some("unknown-peer"));
    let from_stranger = n.send(Entry::Overlay(VNI_PROBE, stranger), &question(NODE1));
    assert_eq!(from_stranger.dropped(), Some("unknown-peer"));
    let other = ip(DNS_ADDR, PROBE_ADDR, Body::Udp(AGENT, 53, NODE2.octets().repeat(8)));
    assert_eq!(n.send(Entry::Host, &other).dropped(), Some("link-local"));
    assert_eq!(
        n.send(Entry::Overlay(VNI_PROBE, NODE2), &other).dropped(),
        Some("no-endpoint")
    );
    let short = ip(DNS_ADDR, PROBE_ADDR, Body::Udp(AGENT, PROBE_PORT.get(), vec![1, 2]));
    assert_eq!(n.send(Entry::Host, &short).dropped(), Some("malformed"));
    let forged = ip(PROBE_ADDR, NODE1, Body::Udp(PROBE_PORT.get(), 111, vec![0; 32]));
    let reply = n.send(Entry::Overlay(VNI_PROBE_REPLY, NODE2), &forged);
    assert_eq!(
        reply.dropped(),
        Some("no-endpoint"),
        "the host is reached at no other address"
    );
}
