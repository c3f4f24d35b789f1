//! Published ports, the ingress mesh: any node takes the packet, the backend's node translates it.
//!
//! The ingress side keeps nothing per flow: the ring, the same on every node, names the owner. A packet
//! of an open connection that its slot's owner does not know is handed on to the slot's earlier
//! owners (the second chance of GLB and Beamer, here with three of them), so that a ring may change under
//! open connections. The last hop takes everything: the task's own stack resets what it does not know.

use abi::*;

use crate::deliver::to_endpoint;
use crate::second_chance::{
    Earlier, HOP_BACK, HOP_EARLIER, HOP_FIRST, HOP_LAST, earlier, earlier_here, end_at, hand_on, insist,
    lives_elsewhere, lives_here, mesh_request, to_earlier, unknown,
};
use crate::service::{admit, owner};
use crate::tables::Tables;
use crate::track::{Known, resume};
use crate::work::{Decision, Verdict, Work};

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
    if w.handed_on > HOP_BACK {
        return Some(came_back(t, c, w, frontend, hash));
    }
    if w.handed_on > HOP_EARLIER {
        w.previous = w.via;
    }
    Some(match resume(t, w) {
        Known::Yes if lives_elsewhere(t, w) => hand_on(t, c, w),
        Known::Yes => to_task(t, c, w),
        Known::Ended => ended(t, c, w, frontend, hash, place),
        Known::Gone => Err(DropReason::BackendGone),
        Known::No if w.previous.raw() != 0 && !w.packet.is_syn() => unknown(t, c, w),
        Known::No => route(t, c, w, frontend, hash, place),
    })
}

/// A packet of an open connection that an earlier owner gave back to this node, its ingress: to the owner before
/// that one, or to the slot's owner, which takes it.
#[inline(always)]
fn came_back<T: Tables>(t: &T, c: &Config, w: &mut Work, f: &Frontend, hash: u32) -> Decision {
    if w.via.raw() != 0 {
        return Err(DropReason::NoLocalBackend);
    }
    let before = earlier(t, c, f, hash, w.handed_on - HOP_BACK, Addr::NONE);
    if before.is_some() {
        w.handed_on = HOP_FIRST;
        return to_earlier(t, c, w, before);
    }
    let (id, owner) = owner(t, f, hash).ok_or(DropReason::NoBackend)?;
    if owner.vtep == c.vtep {
        return match resume(t, w) {
            Known::Yes | Known::Ended => to_task(t, c, w),
            _ => admit_here(t, c, w, id, owner),
        };
    }
    end_at(c, w, owner.vtep)
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

/// A packet whose record says that the connection has ended: a last ACK, which is the task's, or a packet of a
/// newer connection from the same port, whose first packet went to whom the ring named then.
#[inline(always)]
fn ended<T: Tables>(t: &T, c: &Config, w: &mut Work, f: &Frontend, hash: u32, place: Place) -> Decision {
    if w.previous.raw() != 0 {
        return hand_on(t, c, w);
    }
    if place == Place::Ingress && !lives_here(t, w) {
        let remote = owner(t, f, hash).map_or(Addr::NONE, |(_, b)| b.vtep);
        let before = earlier(t, c, f, hash, 0, remote);
        if remote != Addr::NONE && remote != c.vtep {
            w.to = w.key.tuple;
            return to_owner(c, w, remote, before);
        }
        if before.is_some() {
            return to_earlier(t, c, w, before);
        }
    }
    to_task(t, c, w)
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
    let Some((id, owner)) = owner(t, f, hash) else {
        return without_owner(t, c, w, f, hash, ingress);
    };
    if !ingress && owner.vtep != c.vtep {
        return not_owner(t, c, w, f, hash, owner);
    }
    let before = if ingress {
        earlier(t, c, f, hash, 0, owner.vtep)
    } else {
        Earlier::NONE
    };
    if owner.vtep != c.vtep {
        return to_owner(c, w, owner.vtep, before);
    }
    if before.is_some() && !w.packet.is_syn() {
        return to_earlier(t, c, w, before);
    }
    admit_here(t, c, w, id, owner)
}

/// The open connections of a slot that nobody owns.
#[inline(always)]
fn without_owner<T: Tables>(t: &T, c: &Config, w: &mut Work, f: &Frontend, hash: u32, ingress: bool) -> Decision {
    if ingress && !w.packet.is_syn() {
        let before = earlier(t, c, f, hash, 0, Addr::NONE);
        if before.is_some() {
            return to_earlier(t, c, w, before);
        }
    }
    Err(DropReason::NoBackend)
}

/// From the ingress node to the owner's, which learns who had the slot before it.
#[inline(always)]
fn to_owner(c: &Config, w: &mut Work, owner: Addr, before: Earlier) -> Decision {
    w.out.vtep = owner;
    w.out.name(before.vtep, before.place);
    mesh_request(c, w, HOP_FIRST)
}

/// Forwarded here although the ring of this node names another owner. First hop: the sender's ring is older
/// than ours, so the packet goes on to the owner. Later ones: a packet for whom the slot had before, whose own
/// stack resets an open connection that it does not know; if that one is not here, our ring is the older one.
#[inline(always)]
fn not_owner<T: Tables>(t: &T, c: &Config, w: &mut Work, f: &Frontend, hash: u32, owner: &Backend) -> Decision {
    if w.handed_on == HOP_FIRST {
        return end_at(c, w, owner.vtep);
    }
    match earlier_here(t, c, f, hash) {
        Some((id, b)) => admit_here(t, c, w, id, b),
        None if w.handed_on == HOP_LAST && !w.packet.continues() => insist(t, c, w, owner.vtep),
        None => Err(DropReason::NoLocalBackend),
    }
}

#[inline(always)]
fn admit_here<T: Tables>(t: &T, c: &Config, w: &mut Work, id: u32, b: &Backend) -> Decision {
    admit(t, w, id, b, FLOW_PUBLISHED)?;
    to_task(t, c, w)
}

#[cfg(test)]
mod tests;
