//! `from_host`: a packet that the host's own stack, or the resolver, sent to the node-internal addresses.

use abi::*;

use crate::deliver::to_masqueraded;
use crate::published::{Place, published};
use crate::tables::Tables;
use crate::work::{Decision, Verdict, Work};

/// Decides over an IPv4 packet from `ntl-host`.
#[inline(always)]
pub fn from_host<T: Tables>(t: &T, c: &Config, w: &mut Work) -> Decision {
    w.to = w.packet.tuple;
    w.via = Be32::from_raw(0);
    w.previous = Be32::from_raw(0);
    w.handed_on = 0;
    if let Some(index) = dns_client_index(&w.to.dst) {
        return dns_answer(t, w, index);
    }
    if w.to.dst.low().get() != HOST_GATEWAY.to_bits() {
        return Err(DropReason::LinkLocal);
    }
    if let Some(decision) = to_masqueraded(t, c, w) {
        return decision;
    }
    published(t, c, w, Place::Ingress).unwrap_or(Err(DropReason::UnknownFrontend))
}

/// The local index in a resolver-side address.
#[inline(always)]
pub(crate) fn dns_client_index(a: &Addr) -> Option<u32> {
    let offset = a.low().get().wrapping_sub(DNS_CLIENT_BASE.to_bits());
    if a.is_v4() && offset < DNS_CLIENT_MAX {
        Some(offset)
    } else {
        None
    }
}

/// The resolver's answer (or an ICMP error about it) to the endpoint behind the address.
#[inline(always)]
fn dns_answer<T: Tables>(t: &T, w: &mut Work, index: u32) -> Decision {
    let resolver = w.to.src.low().get() == DNS_ADDR.to_bits() && w.to.sport.raw() == DNS_PORT.raw();
    if !resolver {
        return Err(DropReason::LinkLocal);
    }
    let client = t
        .dns_client(index)
        .filter(|d| d.ifindex != 0)
        .ok_or(DropReason::NoEndpoint)?;
    w.to.dst = client.addr;
    w.out.ifindex = client.ifindex;
    w.out.mac = client.mac;
    t.count(Event::Dns);
    Ok(Verdict::Local)
}
