//! Virtual addresses: from a service's address in a network to one of its tasks.
//!
//! Runs on the client's node, once per packet: the flow's record decides, a flow without one gets a
//! backend from the ring. Also the choice itself and the making of a flow, shared with published ports.

use abi::*;

use crate::deliver::to_endpoint;
use crate::tables::{Created, Table, Tables};
use crate::track::{Known, open, resume};
use crate::work::{Decision, Fragment, Work};

/// Slots tried when the chosen one names a backend that takes no new flows.
const SLOT_TRIES: u32 = 4;
/// Where a remapped source port comes from: first and how many (inside the usual ephemeral range).
const REMAP_FIRST: u16 = 32768;
/// See [`REMAP_FIRST`].
const REMAP_SPAN: u16 = 28000;

/// The packet of an endpoint of `vni` to a virtual address; None when the destination is none.
#[inline(always)]
pub(crate) fn virtual_address<T: Tables>(t: &T, c: &Config, w: &mut Work, vni: u32) -> Option<Decision> {
    if !w.packet.has_service_ports() {
        return None;
    }
    w.frontend.scope = vni;
    w.frontend.addr = w.to.dst;
    w.frontend.port = w.to.dport;
    w.frontend.proto = w.to.proto;
    let frontend = t.frontend(&w.frontend)?;
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

#[inline(always)]
fn choose<T: Tables>(t: &T, w: &mut Work, frontend: &Frontend) -> Result<(), DropReason> {
    let hash = ring_hash(&w.to.src, w.to.sport, w.to.proto, w.to.dport);
    let id = pick(t, frontend, hash).ok_or(DropReason::NoBackend)?;
    let backend = t.backend(id).ok_or(DropReason::NoBackend)?;
    admit(t, w, id, backend, FLOW_VIRTUAL)
}

/// A backend that takes new flows, by the hash; the slot's owner unless that one is gone or drains.
#[inline(always)]
pub(crate) fn pick<T: Tables>(t: &T, frontend: &Frontend, hash: u32) -> Option<u32> {
    if frontend.ring_slots == 0 {
        return None;
    }
    let mut hash = hash;
    for _ in 0..SLOT_TRIES {
        let slot = t.slot(frontend.ring_base.wrapping_add(ring_slot(hash, frontend.ring_slots)))?;
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
    w.partner.tuple.sport = b.port;
    w.partner.tuple.dport = w.key.tuple.sport;
    w.partner.tuple.proto = w.key.tuple.proto;
    w.partner.scope = b.vni;
    w.partner.via = Be32::from_raw(0);
    if hairpin {
        t.count(Event::Hairpin);
    }
    open(t, w, Table::Rev, REMAP_FIRST, REMAP_SPAN).map_err(|e| match e {
        Created::Full => DropReason::TableFull,
        _ => DropReason::CollisionExhausted,
    })
}
