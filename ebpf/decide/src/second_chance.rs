//! The second chance of open flows whose slot has moved: the way from a slot's owner to its earlier owners.
//!
//! Connections: what the owner does not know (no record, one that has ended, no live socket) goes to the latest earlier
//! owner on another node. What that one does not know goes back to the ingress node, which sends it to the one before,
//! and so on; when there is nobody before, the owner takes it. The ingress node's ring alone names the owners: it is the
//! one that sent the flow's first packet, while other nodes may have seen two changes of a slot as one. A packet carries
//! the place in the slot that was asked last; it only grows, so that no packet goes back more than [`EARLIER`] times.
//!
//! Datagram flows have no first packet by which the owner could know its own, so an unknown one is offered to the latest
//! earlier owner, which takes it if it has a record and gives it back otherwise; from then on the owner has one.

use abi::*;

use crate::service::slot;
use crate::tables::Tables;
use crate::work::{Decision, Kind, Verdict, Work};

/// Earlier owners that a slot has room for.
pub(crate) const EARLIER: u32 = 3;

/// Mark of a mesh request from the ingress node.
pub(crate) const HOP_FIRST: u32 = 0;
/// Mark of one that is to end here; only a flow's first packet may go on, once more, as [`HOP_INSIST`].
pub(crate) const HOP_LAST: u32 = 1;
/// Mark of a datagram offered to the previous owner; the owner stands in the previous owner's place.
pub(crate) const HOP_ASK: u32 = 2;
/// Mark of the first packet of a flow that two nodes with rings of different age took for each other's.
pub(crate) const HOP_INSIST: u32 = 3;
/// Mark of one for an earlier owner, less its place (1 to [`EARLIER`]).
pub(crate) const HOP_EARLIER: u32 = 3;
/// Mark of one that an earlier owner sends back to the ingress node, less its place.
pub(crate) const HOP_BACK: u32 = 8;

/// An earlier owner of a slot, or none: not an `Option`, as the compiler leaves registers unset for a `None`'s inside,
/// which the verifier refuses to see copied.
#[derive(Clone, Copy)]
pub(crate) struct Earlier {
    /// Tunnel endpoint of its node, IPv4; 0 = none.
    pub vtep: Be32,
    /// Its place among the slot's earlier owners, from 1, the latest first; 0 = none.
    pub place: u32,
}

impl Earlier {
    /// There is none.
    pub(crate) const NONE: Self = Self {
        vtep: Be32::from_raw(0),
        place: 0,
    };

    #[inline(always)]
    pub(crate) fn is_some(self) -> bool {
        self.place != 0
    }
}

/// The latest owner behind place `after` of the slot for `hash` that is neither on this node nor on `beside`.
#[inline(always)]
pub(crate) fn earlier<T: Tables>(t: &T, c: &Config, f: &Frontend, hash: u32, after: u32, beside: Addr) -> Earlier {
    let mut found = Earlier::NONE;
    let Some(slot) = slot(t, f, hash) else {
        return found;
    };
    for place in 1..=EARLIER {
        let id = slot.earlier[(place - 1) as usize];
        if place <= after || id == 0 || found.is_some() {
            continue;
        }
        if let Some(b) = t.backend(id)
            && b.vtep != c.vtep
            && b.vtep != beside
        {
            found = Earlier {
                vtep: b.vtep.low(),
                place,
            };
        }
    }
    found
}

/// The latest of the slot's earlier owners that is on this node, as its id and row.
#[inline(always)]
pub(crate) fn earlier_here<'t, T: Tables>(t: &'t T, c: &Config, f: &Frontend, hash: u32) -> Option<(u32, &'t Backend)> {
    let slot = slot(t, f, hash)?;
    for id in slot.earlier {
        if id != 0
            && let Some(b) = t.backend(id)
            && b.vtep == c.vtep
        {
            return Some((id, b));
        }
    }
    None
}

/// A packet without a record where another node may have one.
#[inline(always)]
pub(crate) fn unknown<T: Tables>(t: &T, c: &Config, w: &mut Work) -> Decision {
    if w.handed_on == HOP_ASK {
        return end_at(c, w, Addr::v4(w.previous));
    }
    hand_on(t, c, w)
}

/// To the earlier owner in `w.previous`; from an earlier owner back to the ingress node, which stands there then.
#[inline(always)]
pub(crate) fn hand_on<T: Tables>(t: &T, c: &Config, w: &mut Work) -> Decision {
    w.out.vtep = Addr::v4(w.previous);
    w.to = w.key.tuple;
    t.count(Event::SecondChance);
    if w.packet.continues() {
        w.out.name(Be32::from_raw(0), 0);
        let hop = if w.handed_on > HOP_EARLIER {
            w.handed_on - HOP_EARLIER + HOP_BACK
        } else {
            HOP_EARLIER + w.place
        };
        return mesh_request(c, w, hop);
    }
    w.out.name(c.vtep.low(), 0);
    mesh_request(c, w, HOP_ASK)
}

/// To the earlier owner that this node, ingress and owner at once, finds in its own ring.
#[inline(always)]
pub(crate) fn to_earlier<T: Tables>(t: &T, c: &Config, w: &mut Work, earlier: Earlier) -> Decision {
    w.previous = earlier.vtep;
    w.place = earlier.place;
    hand_on(t, c, w)
}

/// To a node that takes the packet whatever it knows of it, unless it is a first one and that node's ring is older.
#[inline(always)]
pub(crate) fn end_at(c: &Config, w: &mut Work, vtep: Addr) -> Decision {
    send_on(c, w, vtep, HOP_LAST)
}

/// The first packet of a flow to the slot's owner as this node knows it, which said that this node is: it has the newer
/// ring, and takes the packet for the task that had the slot before, although that one may drain. It lives: no
/// container is ended before all nodes have acknowledged a ring without it, and this one has not.
#[inline(always)]
pub(crate) fn insist<T: Tables>(t: &T, c: &Config, w: &mut Work, vtep: Addr) -> Decision {
    t.count(Event::SecondChance);
    send_on(c, w, vtep, HOP_INSIST)
}

/// To `vtep`, without an earlier owner named.
#[inline(always)]
fn send_on(c: &Config, w: &mut Work, vtep: Addr, hop: u32) -> Decision {
    w.out.vtep = vtep;
    w.out.name(Be32::from_raw(0), 0);
    mesh_request(c, w, hop)
}

/// Into the tunnel; the ingress node stays the one that the client sent the packet to.
#[inline(always)]
pub(crate) fn mesh_request(c: &Config, w: &mut Work, hop: u32) -> Decision {
    w.out.ingress = if w.via.raw() == 0 { c.vtep.low() } else { w.via };
    w.out.handed_on = hop;
    Ok(Verdict::MeshRequest)
}

/// Whether the packet's connection is an earlier owner's although this node has a record of its tuple: a record outlives
/// its connection, so the task's own socket table is asked where it can be.
#[inline(always)]
pub(crate) fn lives_elsewhere<T: Tables>(t: &T, w: &mut Work) -> bool {
    if w.previous.raw() == 0 || w.packet.kind != Kind::Tcp || w.packet.is_syn() {
        return false;
    }
    has_socket(t, w) == Some(false)
}

/// Whether the task of the record found has a socket for the packet's connection.
#[inline(always)]
pub(crate) fn lives_here<T: Tables>(t: &T, w: &mut Work) -> bool {
    w.packet.kind == Kind::Tcp && has_socket(t, w) == Some(true)
}

/// None when it cannot be told.
#[inline(always)]
fn has_socket<T: Tables>(t: &T, w: &mut Work) -> Option<bool> {
    w.endpoint.vni = w.task_vni;
    w.endpoint.addr = w.to.dst;
    match t.endpoint(&w.endpoint).map_or(0, |e| e.netns) {
        0 => None,
        netns => t.has_connection(&w.to, netns),
    }
}
