//! Published ports, the ingress mesh: any node takes the packet, the backend's node translates it.
//!
//! The ingress side keeps nothing per flow: the ring, the same on every node, names the owner. A packet
//! of an open connection that its slot's owner does not know is handed on to the slot's previous
//! owner, once (the second chance of GLB and Beamer), so that a ring may change under open
//! connections. The last hop takes everything: the task's own stack resets what it does not know.
//!
//! One level of history: a slot must not move again before its previous owner has drained.
//! Datagram flows have no second chance; they follow the ring.

use abi::*;

use crate::deliver::to_endpoint;
use crate::service::{admit, pick};
use crate::tables::Tables;
use crate::track::{Known, resume};
use crate::work::{Decision, Kind, Verdict, Work};

/// Which node is asking.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The one the client sent the packet to.
    Ingress,
    /// One that another node forwarded it to.
    Owner,
}

/// Published-port handling of `w.to` (client to frontend); None when the port is not published (or,
/// on the ingress side, held by a listener of this host).
#[inline(always)]
pub(crate) fn published<T: Tables>(t: &T, c: &Config, w: &mut Work, place: Place) -> Option<Decision> {
    if !w.packet.has_service_ports() {
        return None;
    }
    let frontend = find_frontend(t, w, place)?;
    w.key.tuple = w.to;
    w.key.scope = VNI_MESH_REQUEST;
    w.key.via = w.via;
    let hash = ring_hash(&w.to.src, w.to.sport, w.to.proto, w.to.dport);
    Some(match resume(t, w) {
        Known::Yes if lives_elsewhere(t, w) => hand_on(c, w),
        Known::Yes => to_task(t, c, w),
        Known::Ended => ended(t, c, w, frontend, hash, place),
        Known::Gone => Err(DropReason::BackendGone),
        Known::No if w.previous.raw() != 0 && w.packet.continues() => hand_on(c, w),
        Known::No => route(t, c, w, frontend, hash, place),
    })
}

/// The frontend of a published port.
#[inline(always)]
pub(crate) fn find_frontend<'t, T: Tables>(t: &'t T, w: &mut Work, place: Place) -> Option<&'t Frontend> {
    w.frontend.scope = SCOPE_PUBLISHED;
    w.frontend.addr = Addr::NONE;
    w.frontend.port = w.to.dport;
    w.frontend.proto = w.to.proto;
    let frontend = t.frontend(&w.frontend)?;
    if place == Place::Ingress && frontend.flags & FRONTEND_HELD != 0 {
        return None;
    }
    Some(frontend)
}

/// Whether the packet's connection is the previous owner's although this node has a record of its
/// tuple: a record outlives its connection, so the task's own socket table is asked where it can be.
#[inline(always)]
fn lives_elsewhere<T: Tables>(t: &T, w: &mut Work) -> bool {
    if w.previous.raw() == 0 || w.packet.kind != Kind::Tcp || w.packet.is_syn() {
        return false;
    }
    w.endpoint.vni = w.task_vni;
    w.endpoint.addr = w.to.dst;
    let netns = t.endpoint(&w.endpoint).map_or(0, |e| e.netns);
    netns != 0 && t.has_connection(&w.to, netns) == Some(false)
}

/// A packet whose record says that the connection has ended: the previous owner's if there is one,
/// else the task's (a last ACK).
#[inline(always)]
fn ended<T: Tables>(t: &T, c: &Config, w: &mut Work, f: &Frontend, hash: u32, place: Place) -> Decision {
    if w.previous.raw() != 0 {
        return hand_on(c, w);
    }
    if place == Place::Ingress
        && let Some(p) = previous_owner(t, f, hash).filter(|p| p.vtep != c.vtep)
    {
        return to_previous(c, w, p);
    }
    to_task(t, c, w)
}

/// To the previous owner, which is the last hop.
#[inline(always)]
fn hand_on(c: &Config, w: &mut Work) -> Decision {
    w.to = w.key.tuple;
    w.out.vtep = Addr::v4(w.previous);
    w.out.previous = Be32::from_raw(0);
    mesh_request(c, w, 1)
}

#[inline(always)]
fn mesh_request(c: &Config, w: &mut Work, handed_on: u32) -> Decision {
    w.out.ingress = if w.via.raw() == 0 { c.vtep.low() } else { w.via };
    w.out.handed_on = handed_on;
    Ok(Verdict::MeshRequest)
}

/// A translated packet to its task on this node.
#[inline(always)]
fn to_task<T: Tables>(t: &T, c: &Config, w: &mut Work) -> Decision {
    let vni = w.task_vni;
    match to_endpoint(t, c, w, vni) {
        Some(Ok(Verdict::Local)) => Ok(Verdict::Local),
        _ => Err(DropReason::BackendGone),
    }
}

/// A packet without a record on this node.
#[inline(always)]
fn route<T: Tables>(t: &T, c: &Config, w: &mut Work, f: &Frontend, hash: u32, place: Place) -> Decision {
    let ingress = place == Place::Ingress;
    let previous = previous_owner(t, f, hash).filter(|p| p.vtep != c.vtep);
    let Some(id) = pick(t, f, hash) else {
        return match previous {
            Some(p) if ingress && w.packet.continues() => to_previous(c, w, p),
            _ => Err(DropReason::NoBackend),
        };
    };
    let owner = t.backend(id).ok_or(DropReason::NoBackend)?;
    if owner.vtep == c.vtep {
        return match previous {
            Some(p) if ingress && w.packet.continues() => to_previous(c, w, p),
            _ => admit_here(t, c, w, id, owner),
        };
    }
    if ingress {
        w.out.vtep = owner.vtep;
        w.out.previous = match previous {
            Some(p) if p.vtep != owner.vtep => p.vtep.low(),
            _ => Be32::from_raw(0),
        };
        return mesh_request(c, w, 0);
    }
    not_owner(t, c, w, f, hash, owner)
}

/// Forwarded here although the ring of this node names another owner. First hop: the sender's ring is older
/// than ours, so the packet goes on to the owner. Last hop: an open connection of before, which the
/// task's own stack resets if it does not know it.
#[inline(always)]
fn not_owner<T: Tables>(t: &T, c: &Config, w: &mut Work, f: &Frontend, hash: u32, owner: &Backend) -> Decision {
    if w.handed_on == 0 {
        w.out.vtep = owner.vtep;
        w.out.previous = Be32::from_raw(0);
        return mesh_request(c, w, 1);
    }
    let id = slot(t, f, hash).map_or(0, |s| s.earlier[0]);
    match t.backend(id) {
        Some(b) if b.vtep == c.vtep => admit_here(t, c, w, id, b),
        _ => Err(DropReason::NoLocalBackend),
    }
}

#[inline(always)]
fn admit_here<T: Tables>(t: &T, c: &Config, w: &mut Work, id: u32, b: &Backend) -> Decision {
    admit(t, w, id, b, FLOW_PUBLISHED)?;
    to_task(t, c, w)
}

#[inline(always)]
fn to_previous(c: &Config, w: &mut Work, previous: &Backend) -> Decision {
    w.to = w.key.tuple;
    w.out.vtep = previous.vtep;
    w.out.previous = Be32::from_raw(0);
    mesh_request(c, w, 1)
}

#[inline(always)]
fn slot<'t, T: Tables>(t: &'t T, f: &Frontend, hash: u32) -> Option<&'t Slot> {
    if f.ring_slots == 0 {
        return None;
    }
    t.slot(f.ring_base.wrapping_add(ring_slot(hash, f.ring_slots)))
}

#[inline(always)]
fn previous_owner<'t, T: Tables>(t: &'t T, f: &Frontend, hash: u32) -> Option<&'t Backend> {
    let id = slot(t, f, hash)?.earlier[0];
    if id == 0 { None } else { t.backend(id) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Memory, addr, backend, config, segment};
    use crate::work::{TCP_ACK, TCP_SYN};

    /// Port 8080 published with one slot; backends 1 on this node (10.0.0.1), 2 on node 2, 3 on node 3.
    fn mesh(owner: u32, previous: u32) -> Memory {
        let mut m = Memory::default();
        m.ring.push(Slot {
            owner,
            earlier: [previous, 0, 0],
        });
        for node in [1, 2, 3] {
            m.backends.insert(u32::from(node), backend(10 + node, node, 0));
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
        m.frontends.insert(
            key,
            Frontend {
                ring_slots: 1,
                ..Frontend::default()
            },
        );
        m
    }

    fn send(m: &Memory, place: Place, flags: u8, previous: u8) -> (Decision, Work) {
        let mut w = segment(200, 1000, 1, 8080, flags);
        if previous != 0 {
            w.previous = addr(previous).low();
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
            (Ok(Verdict::MeshRequest), addr(3), 1)
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
    fn without_any_owner_an_open_connection_still_finds_its_previous_one() {
        let mut m = mesh(9, 2);
        let (decision, w) = send(&m, Place::Ingress, TCP_ACK, 0);
        assert_eq!((decision, w.out.vtep), (Ok(Verdict::MeshRequest), addr(2)));
        assert_eq!(send(&m, Place::Ingress, TCP_SYN, 0).0, Err(DropReason::NoBackend));
        m.backends.clear();
        assert_eq!(send(&m, Place::Ingress, TCP_ACK, 0).0, Err(DropReason::NoBackend));
    }
}
