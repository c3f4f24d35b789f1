//! `from_uplink`: a packet that came in over a device of the host. Whatever is not ours is left alone.

use abi::*;

use crate::deliver::to_masqueraded;
use crate::published::{Place, published};
use crate::tables::Tables;
use crate::work::{Decision, Verdict, Work};

/// Decides over an IPv4 packet from an uplink. Answers of masqueraded flows come first: a remote
/// address may lie in the range of a network of ours.
#[inline(always)]
pub fn from_uplink<T: Tables>(t: &T, c: &Config, w: &mut Work) -> Decision {
    w.to = w.packet.tuple;
    w.via = Be32::from_raw(0);
    w.previous = Be32::from_raw(0);
    w.handed_on = 0;
    w.addr = w.to.dst;
    if !t.is_own(&w.addr) {
        return Ok(Verdict::Pass);
    }
    if let Some(decision) = to_masqueraded(t, c, w) {
        return decision;
    }
    published(t, c, w, Place::Ingress).unwrap_or(Ok(Verdict::Pass))
}
