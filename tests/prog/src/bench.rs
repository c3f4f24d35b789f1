//! Nanoseconds per packet of each program for its main cases.

use abi::*;
use anyhow::Result;

use crate::node::{Entry, Node};
use crate::packet::{ACK, Frame, SYN, tcp, udp};
use crate::world::*;

const ROUNDS: usize = 5;
const REPEAT: u32 = 200_000;

/// Measures every case: name and net nanoseconds, the harness subtracted. Median of five rounds of 200,000 packets
/// of one established flow.
///
/// # Errors
/// Loading fails, or a measured packet is dropped.
pub fn bench() -> Result<Vec<(String, f64)>> {
    let mut n = Node::in_world()?;
    n.vip_to(B);
    let direct = tcp(A, 4000, B, 5000, ACK).from_mac(mac(A));
    let remote = tcp(A, 4000, C, 5000, ACK).from_mac(mac(A));
    let vip = tcp(A, 4000, VIP, 80, ACK).from_mac(mac(A));
    let from_peer = tcp(C, 5000, A, 4000, ACK);
    let world = udp(A, 4000, CLIENT, 53).from_mac(mac(A));
    let published = tcp(CLIENT, 4000, NODE1, 8080, ACK);
    let other = tcp(CLIENT, 4000, NODE1, 22, ACK);
    let dns = udp(A, 4000, DNS_ADDR, 53).from_mac(mac(A));
    let mut rows = Vec::new();
    let mut add = |n: &mut Node, name: &str, entry, frame: &Frame| -> Result<()> {
        rows.push((name.to_string(), net(n, entry, frame)?));
        Ok(())
    };
    add(&mut n, "from_container_direct", Entry::Container(ifindex(A)), &direct)?;
    add(&mut n, "from_container_remote", Entry::Container(ifindex(A)), &remote)?;
    n.send(
        Entry::Container(ifindex(A)),
        &tcp(A, 4000, VIP, 80, SYN).from_mac(mac(A)),
    );
    add(&mut n, "from_container_vip", Entry::Container(ifindex(A)), &vip)?;
    let answer = tcp(B, 8080, A, 4000, ACK).from_mac(mac(B));
    add(
        &mut n,
        "from_container_vip_reply",
        Entry::Container(ifindex(B)),
        &answer,
    )?;
    add(&mut n, "from_container_dns", Entry::Container(ifindex(A)), &dns)?;
    add(&mut n, "from_container_egress", Entry::Container(ifindex(A)), &world)?;
    add(&mut n, "from_overlay_direct", Entry::Overlay(VNI, NODE2), &from_peer)?;
    add(&mut n, "from_uplink_not_ours", Entry::Uplink, &other)?;
    n.published_to(E);
    n.send(Entry::Uplink, &tcp(CLIENT, 4000, NODE1, 8080, SYN));
    add(&mut n, "from_uplink_published_local", Entry::Uplink, &published)?;
    let reply = tcp(E, 80, CLIENT, 4000, ACK).from_mac(mac(E));
    add(
        &mut n,
        "from_container_published_reply",
        Entry::Container(ifindex(E)),
        &reply,
    )?;
    n.published_to(G);
    add(
        &mut n,
        "from_uplink_published_remote",
        Entry::Uplink,
        &tcp(CLIENT, 4001, NODE1, 8080, ACK),
    )?;
    Ok(rows)
}

/// Median over the rounds of a case less the same of an empty run.
fn net(n: &mut Node, entry: Entry, frame: &Frame) -> Result<f64> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let empty = n.time(None, frame, REPEAT)?;
        rounds.push(n.time(Some(entry), frame, REPEAT)? - empty);
    }
    rounds.sort_by(f64::total_cmp);
    Ok(rounds[ROUNDS / 2].max(0.0))
}
