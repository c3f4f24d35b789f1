//! The last step: to the endpoint that has the address, or home to a client of a published port.

use abi::*;

use crate::tables::{Table, Tables};
use crate::track::{Side, touch};
use crate::work::{Decision, Verdict, Work};

/// To `w.to.dst` in network `vni`; None when no endpoint has that address.
#[inline(always)]
pub(crate) fn to_endpoint<T: Tables>(t: &T, c: &Config, w: &mut Work, vni: u32) -> Option<Decision> {
    w.endpoint.vni = vni;
    w.endpoint.addr = w.to.dst;
    let e = t.endpoint(&w.endpoint)?;
    if e.ifindex != 0 {
        w.out.ifindex = e.ifindex;
        w.out.mac = e.mac;
        return Some(Ok(Verdict::Local));
    }
    if e.vtep == c.vtep || e.vtep.is_none() {
        return Some(Err(DropReason::NoEndpoint));
    }
    w.out.vtep = e.vtep;
    w.out.vni = vni;
    Some(Ok(Verdict::Remote))
}

/// The answer to a masqueraded flow, `w.to` as the world sent it; None when there is no such flow.
#[inline(always)]
pub(crate) fn to_masqueraded<T: Tables>(t: &T, c: &Config, w: &mut Work) -> Option<Decision> {
    let port = w.to.dport.get();
    if port < c.snat_port_min || port > c.snat_port_max {
        return None;
    }
    w.key.tuple = w.to;
    w.key.scope = 0;
    w.key.via = Be32::from_raw(0);
    let flow = t.flow(Table::Snat, &w.key)?;
    touch(t, w, Table::Snat, Table::Ct, flow, Side::Server);
    w.to = flow.to;
    let vni = flow.scope;
    Some(to_endpoint(t, c, w, vni).unwrap_or(Err(DropReason::NoEndpoint)))
}

/// The answer of a published flow, complete as the client must see it, on its ingress node: to a
/// container that came through source NAT, to a process of this host, or out to the client.
#[inline(always)]
pub(crate) fn home<T: Tables>(t: &T, c: &Config, w: &mut Work) -> Decision {
    w.addr = w.to.dst;
    if !t.is_own(&w.addr) {
        return Ok(Verdict::Uplink);
    }
    match to_masqueraded(t, c, w) {
        Some(decision) => decision,
        None => Ok(Verdict::Host),
    }
}
