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

/// Forwarded here although the ring of this node names another owner: the sender's ring is older or
/// newer, or this is the last hop of an open connection.
#[inline(always)]
fn not_owner<T: Tables>(t: &T, c: &Config, w: &mut Work, f: &Frontend, hash: u32, owner: &Backend) -> Decision {
    if w.handed_on == 0 && !w.packet.continues() {
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
