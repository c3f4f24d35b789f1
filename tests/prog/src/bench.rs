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
    let mut rows = Vec::new();
    let from_a = Entry::Container(ifindex(A));
    let a = |f: Frame| f.from_mac(mac(A));
    let mut measure = |n: &mut Node, cases: &[(&str, Entry, Frame)]| -> Result<()> {
        for (name, entry, frame) in cases {
            rows.push((name.to_string(), net(n, *entry, frame)?));
        }
        Ok(())
    };
    n.vip_to(B);
    n.send(from_a, &a(tcp(A, 4000, VIP, 80, SYN)));
    let answer = tcp(B, 8080, A, 4000, ACK).from_mac(mac(B));
    measure(
        &mut n,
        &[
            ("from_container_direct", from_a, a(tcp(A, 4000, B, 5000, ACK))),
            ("from_container_remote", from_a, a(tcp(A, 4000, C, 5000, ACK))),
            ("from_container_vip", from_a, a(tcp(A, 4000, VIP, 80, ACK))),
            ("from_container_vip_reply", Entry::Container(ifindex(B)), answer),
            ("from_container_dns", from_a, a(udp(A, 4000, DNS_ADDR, 53))),
            ("from_container_egress", from_a, a(udp(A, 4000, CLIENT, 53))),
            (
                "from_overlay_direct",
                Entry::Overlay(VNI, NODE2),
                tcp(C, 5000, A, 4000, ACK),
            ),
            ("from_uplink_not_ours", Entry::Uplink, tcp(CLIENT, 4000, NODE1, 22, ACK)),
        ],
    )?;
    n.published_to(E);
    n.send(Entry::Uplink, &tcp(CLIENT, 4000, NODE1, 8080, SYN));
    let published = tcp(CLIENT, 4000, NODE1, 8080, ACK);
    let reply = tcp(E, 80, CLIENT, 4000, ACK).from_mac(mac(E));
    measure(
        &mut n,
        &[
            ("from_uplink_published_local", Entry::Uplink, published),
            ("from_container_published_reply", Entry::Container(ifindex(E)), reply),
        ],
    )?;
    n.published_to(G);
    let remote = tcp(CLIENT, 4001, NODE1, 8080, ACK);
    measure(&mut n, &[("from_uplink_published_remote", Entry::Uplink, remote)])?;
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
