//! The second chance of open flows whose slot has moved: the way between owner and previous owner.
//!
//! Connections: what the owner does not know (no record, one that has ended, no live socket) goes to the previous
//! owner, which is the last hop and takes everything. Datagram flows have no first packet by which the owner
//! could know its own, so an unknown one is offered to the previous owner, which takes it if it has
//! a record and gives it back otherwise; from then on the owner has one. No packet makes more than two hops more.

use abi::*;

use crate::tables::Tables;
use crate::work::{Decision, Kind, Verdict, Work};

/// Mark of a mesh request from the ingress node.
pub(crate) const HOP_FIRST: u32 = 0;
/// Mark of one that must end here.
pub(crate) const HOP_LAST: u32 = 1;
/// Mark of a datagram offered to the previous owner; the owner stands in the previous owner's place.
pub(crate) const HOP_ASK: u32 = 2;

/// A packet without a record where another node may have one.
#[inline(always)]
pub(crate) fn unknown<T: Tables>(t: &T, c: &Config, w: &mut Work) -> Decision {
    if w.handed_on == HOP_ASK {
        w.out.vtep = Addr::v4(w.previous);
        w.out.previous = Be32::from_raw(0);
        return mesh_request(c, w, HOP_LAST);
    }
    hand_on(t, c, w)
}

/// To the previous owner that the ingress node named.
#[inline(always)]
pub(crate) fn hand_on<T: Tables>(t: &T, c: &Config, w: &mut Work) -> Decision {
    w.out.vtep = Addr::v4(w.previous);
    second_hop(t, c, w)
}

/// To the previous owner that this node, ingress and owner at once, finds in its own ring.
#[inline(always)]
pub(crate) fn to_previous<T: Tables>(t: &T, c: &Config, w: &mut Work, previous: &Backend) -> Decision {
    w.out.vtep = previous.vtep;
    second_hop(t, c, w)
}

#[inline(always)]
fn second_hop<T: Tables>(t: &T, c: &Config, w: &mut Work) -> Decision {
    w.to = w.key.tuple;
    t.count(Event::SecondChance);
    if w.packet.continues() {
        w.out.previous = Be32::from_raw(0);
        return mesh_request(c, w, HOP_LAST);
    }
    w.out.previous = c.vtep.low();
    mesh_request(c, w, HOP_ASK)
}

/// Into the tunnel; the ingress node stays the one that the client sent the packet to.
#[inline(always)]
pub(crate) fn mesh_request(c: &Config, w: &mut Work, hop: u32) -> Decision {
    w.out.ingress = if w.via.raw() == 0 { c.vtep.low() } else { w.via };
    w.out.handed_on = hop;
    Ok(Verdict::MeshRequest)
}

/// Whether the packet's connection is the previous owner's although this node has a record of its
/// tuple: a record outlives its connection, so the task's own socket table is asked where it can be.
#[inline(always)]
pub(crate) fn lives_elsewhere<T: Tables>(t: &T, w: &mut Work) -> bool {
    if w.previous.raw() == 0 || w.packet.kind != Kind::Tcp || w.packet.is_syn() {
        return false;
    }
    w.endpoint.vni = w.task_vni;
    w.endpoint.addr = w.to.dst;
    let netns = t.endpoint(&w.endpoint).map_or(0, |e| e.netns);
    netns != 0 && t.has_connection(&w.to, netns) == Some(false)
}
