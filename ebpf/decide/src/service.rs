//! Virtual addresses: from a service's address in a network to one of its tasks.
//!
//! Runs on the client's node, once per packet: the flow's record decides, a flow without one gets a
//! backend from the ring. Also the choice itself and the making of a flow, shared with published ports.

use abi::*;

use crate::deliver::to_endpoint;
use crate::tables::{Table, Tables};
use crate::track::{Known, Ports, no_place, open, resume};
use crate::work::{Decision, Fragment, Work};

/// Slots tried when the chosen one names a backend that takes no new flows.
const SLOT_TRIES: u32 = 4;

/// The packet of an endpoint of `vni` to a virtual address; None when the destination is none.
#[inline(always)]
pub(crate) fn virtual_address<T: Tables>(t: &T, c: &Config, w: &mut Work, vni: u32) -> Option<Decision> {
    if !w.packet.has_service_ports() {
        return None;
    }
    let frontend = find_virtual(t, w, vni)?;
    w.key.tuple = w.to;
    w.key.scope = vni;
    w.key.via = Be32::from_raw(0);
    match resume(t, w) {
        Known::Yes | Known::Ended => {}
        Known::Gone => return Some(Err(DropReason::BackendGone)),
        Known::No => {
            if let Err(reason) = choose(t, w, frontend) {
                return Some(Err(reason));
            }
        }
    }
    Some(to_endpoint(t, c, w, vni).unwrap_or(Err(DropReason::NoEndpoint)))
}

/// The frontend of the virtual address that the packet is for.
#[inline(always)]
pub(crate) fn find_virtual<'t, T: Tables>(t: &'t T, w: &mut Work, vni: u32) -> Option<&'t Frontend> {
    w.frontend.scope = vni;
    w.frontend.addr = w.to.dst;
    w.frontend.port = Be16::from_raw(0);
    w.frontend.proto = 0;
    t.frontend(&w.frontend)
}

#[inline(always)]
fn choose<T: Tables>(t: &T, w: &mut Work, frontend: &Frontend) -> Result<(), DropReason> {
    let hash = ring_hash(&w.to.src, w.to.sport, w.to.proto, w.to.dport);
    let id = pick(t, frontend, hash).ok_or(DropReason::NoBackend)?;
    let backend = t.backend(id).ok_or(DropReason::NoBackend)?;
    admit(t, w, id, backend, FLOW_VIRTUAL)
}

/// The slot of a flow.
#[inline(always)]
pub(crate) fn slot<'t, T: Tables>(t: &'t T, f: &Frontend, hash: u32) -> Option<&'t Slot> {
    if f.ring_slots == 0 {
        return None;
    }
    t.slot(f.ring_base.wrapping_add(ring_slot(hash, f.ring_slots)))
}

/// The owner of a flow's slot, even if it drains: a published flow has no record on its ingress node, so each of its
/// packets must find the same backend there, while an update of the tables is under way as well.
#[inline(always)]
pub(crate) fn owner<'t, T: Tables>(t: &'t T, f: &Frontend, hash: u32) -> Option<(u32, &'t Backend)> {
    let id = slot(t, f, hash)?.owner;
    Some((id, t.backend(id)?))
}

/// A backend that takes new flows, by the hash; the slot's owner unless that one is gone or drains.
#[inline(always)]
pub(crate) fn pick<T: Tables>(t: &T, frontend: &Frontend, hash: u32) -> Option<u32> {
    let mut hash = hash;
    for _ in 0..SLOT_TRIES {
        let slot = slot(t, frontend, hash)?;
        if t.backend(slot.owner).is_some_and(|b| b.flags & BACKEND_DRAINING == 0) {
            return Some(slot.owner);
        }
        hash = mix(hash.wrapping_add(0x9e37_79b9));
    }
    None
}

/// Makes the flow of `w.key` to a backend and translates `w.to`.
///
/// A task that reaches itself is made to see the frontend's address as its client, or its own
/// stack would answer directly.
#[inline(always)]
pub(crate) fn admit<T: Tables>(t: &T, w: &mut Work, id: u32, b: &Backend, kind: u8) -> Result<(), DropReason> {
    if !w.packet.may_open() {
        let later = w.packet.fragment == Fragment::Later;
        return Err(if later {
            DropReason::FragmentUnknown
        } else {
            DropReason::IcmpUnrelated
        });
    }
    let hairpin = b.addr == w.key.tuple.src;
    w.flow.to = w.key.tuple.reversed();
    w.flow.backend = id;
    w.flow.scope = w.key.scope;
    w.flow.via = w.key.via;
    w.flow.kind = kind;
    w.flow.state = 0;
    w.partner.tuple.src = b.addr;
    w.partner.tuple.dst = if hairpin { w.key.tuple.dst } else { w.key.tuple.src };
    w.partner.tuple.sport = if b.port.raw() == 0 { w.key.tuple.dport } else { b.port };
    w.partner.tuple.dport = w.key.tuple.sport;
    w.partner.tuple.proto = w.key.tuple.proto;
    w.partner.scope = b.vni;
    w.partner.via = Be32::from_raw(0);
    if hairpin {
        t.count(Event::Hairpin);
    }
    open(t, w, Table::Ct, Table::Rev, Ports::EPHEMERAL).map_err(no_place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Memory, addr, backend, config, segment};
    use crate::work::{TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN, Verdict};

    const VIP: u8 = 100;

    /// VIP 10.0.0.100:80 in network 7 over the given backends (ids from 1), all endpoints on this node.
    fn service(backends: &[Backend]) -> Memory {
        let mut m = Memory::default();
        for (i, b) in backends.iter().enumerate() {
            m.backends.insert(i as u32 + 1, *b);
            m.ring.push(Slot {
                owner: i as u32 + 1,
                earlier: [0; 3],
            });
            let e = Endpoint {
                vtep: addr(1),
                ifindex: 50 + i as u32,
                ..Endpoint::default()
            };
            m.endpoints.insert(EndpointKey { vni: 7, addr: b.addr }, e);
        }
        let key = FrontendKey {
            scope: 7,
            addr: addr(VIP),
            ..FrontendKey::default()
        };
        let ring_slots = backends.len() as u32;
        m.frontends.insert(
            key,
            Frontend {
                ring_base: 0,
                ring_slots,
                service: 1,
                flags: 0,
            },
        );
        m
    }

    fn send(m: &Memory, sport: u16, flags: u8) -> (Option<Decision>, Work) {
        let mut w = segment(2, sport, VIP, 80, flags);
        (virtual_address(m, &config(), &mut w, 7), w)
    }

    #[test]
    fn every_backend_gets_a_share_of_new_flows() {
        let m = service(&[backend(11, 1, 0), backend(12, 1, 0), backend(13, 1, 0)]);
        let mut hits = [0; 3];
        for sport in 1000..1300 {
            let (_, w) = send(&m, sport, TCP_SYN);
            hits[w.to.dst.octets()[15] as usize - 11] += 1;
        }
        assert!(hits.iter().all(|h| *h > 60), "{hits:?}");
    }

    #[test]
    fn a_flow_stays_with_its_backend_when_the_ring_changes() {
        let mut m = service(&[backend(11, 1, 0), backend(12, 1, 0)]);
        let (_, first) = send(&m, 1000, TCP_SYN);
        m.ring.reverse();
        let (_, second) = send(&m, 1000, TCP_ACK);
        assert_eq!(first.to, second.to);
    }

    #[test]
    fn a_draining_owner_is_passed_over_for_new_flows() {
        let m = service(&[backend(11, 1, BACKEND_DRAINING), backend(12, 1, 0)]);
        let served = (1000..1100)
            .filter(|p| send(&m, *p, TCP_SYN).1.to.dst == addr(12))
            .count();
        assert!(
            served > 85,
            "{served} of 100; the rest met the draining slot four times"
        );
        assert!((1000..1100).all(|p| send(&m, p, TCP_SYN).1.to.dst != addr(11)));
    }

    #[test]
    fn a_service_without_backends_says_so() {
        let m = service(&[]);
        assert_eq!(send(&m, 1000, TCP_SYN).0, Some(Err(DropReason::NoBackend)));
    }

    #[test]
    fn an_address_that_is_no_frontend_is_somebody_elses() {
        let m = service(&[backend(11, 1, 0)]);
        let mut w = segment(2, 1000, VIP + 1, 80, TCP_SYN);
        assert_eq!(virtual_address(&m, &config(), &mut w, 7), None);
    }

    #[test]
    fn both_records_learn_of_the_end_of_a_connection() {
        let m = service(&[backend(11, 1, 0)]);
        send(&m, 1000, TCP_SYN);
        send(&m, 1000, TCP_FIN | TCP_ACK);
        let states: Vec<u8> = m.flows.borrow().values().map(|f| f.state).collect();
        assert_eq!(states, [STATE_FIN_CLIENT; 2]);
        send(&m, 1000, TCP_RST);
        assert!(m.flows.borrow().values().all(Flow::is_closed));
    }

    #[test]
    fn a_taken_tuple_gets_another_port_until_the_table_of_ports_is_exhausted() {
        let m = service(&[backend(11, 1, 0)]);
        send(&m, 1000, TCP_SYN);
        let mut w = segment(2, 1000, VIP, 80, TCP_SYN);
        w.key.tuple = w.to;
        w.key.scope = 8;
        admit(&m, &mut w, 1, &backend(11, 1, 0), FLOW_VIRTUAL).unwrap();
        assert_ne!(w.to.sport, Be16::new(1000));
        assert!(m.counted.borrow().contains(&Event::PortRemapped));
    }

    #[test]
    fn a_place_of_a_connection_that_ended_a_minute_ago_is_given_away() {
        let mut m = service(&[backend(11, 1, 0)]);
        send(&m, 1000, TCP_SYN);
        send(&m, 1000, TCP_RST);
        m.now = 100;
        let mut w = segment(2, 1000, VIP, 80, TCP_SYN);
        w.key.tuple = w.to;
        w.key.scope = 8;
        admit(&m, &mut w, 1, &backend(11, 1, 0), FLOW_VIRTUAL).unwrap();
        assert_eq!(w.to.sport, Be16::new(1000));
    }

    #[test]
    fn an_evicted_record_of_the_answers_comes_back_with_the_next_packet_after_a_silence() {
        let mut m = service(&[backend(11, 1, 0)]);
        send(&m, 1000, TCP_SYN);
        let before = m.flows.borrow().clone();
        m.flows.borrow_mut().retain(|(table, _), _| *table == Table::Ct);
        m.now = 100;
        send(&m, 1000, TCP_ACK);
        let after = m.flows.borrow().clone();
        assert!(before.keys().eq(after.keys()));
        let same = |(a, b): (&Flow, &Flow)| a.to == b.to && a.scope == b.scope && a.backend == b.backend;
        assert!(before.values().zip(after.values()).all(same));
    }

    #[test]
    fn an_icmp_error_opens_no_flow() {
        let m = service(&[backend(11, 1, 0)]);
        let mut w = segment(2, 1000, VIP, 80, 0);
        w.packet.kind = crate::work::Kind::Error;
        assert_eq!(
            virtual_address(&m, &config(), &mut w, 7),
            Some(Err(DropReason::IcmpUnrelated))
        );
        assert!(m.flows.borrow().is_empty());
    }

    #[test]
    fn the_packet_goes_where_the_endpoint_is() {
        let m = service(&[backend(11, 1, 0)]);
        let (decision, w) = send(&m, 1000, TCP_SYN);
        assert_eq!((decision, w.out.ifindex), (Some(Ok(Verdict::Local)), 50));
    }
}
