//! `from_container`: a packet of an endpoint of this node.

use abi::*;

use crate::deliver::{home, to_endpoint};
use crate::egress::to_world;
use crate::service::{find_virtual, virtual_address};
use crate::tables::{Table, Tables};
use crate::track::{Side, keep_apart, no_place, touch};
use crate::work::{Decision, Fragment, Kind, Verdict, Work};

/// Decides over an IPv4 packet that came in through `port`, the row of `ifindex`.
#[inline(always)]
pub fn from_container<T: Tables>(t: &T, c: &Config, w: &mut Work, port: &Port, ifindex: u32) -> Decision {
    check_sender(t, c, w, port)?;
    w.to = w.packet.tuple;
    w.via = Be32::from_raw(0);
    w.previous = Be32::from_raw(0);
    w.handed_on = 0;
    if is_ours_linklocal(&w.to.dst) {
        return to_resolver(t, c, w, port);
    }
    if let Some(decision) = answer(t, c, w, port.vni) {
        return decision;
    }
    if is_ping_of_virtual_address(t, w, port.vni) {
        return echo_back(w, port, ifindex);
    }
    if let Some(decision) = virtual_address(t, c, w, port.vni) {
        return decision;
    }
    if let Some(decision) = to_endpoint(t, c, w, port.vni) {
        if port.flags & PORT_INGRESS_ONLY != 0 {
            return Err(DropReason::IngressIsolated);
        }
        keep_apart(t, w, port.vni).map_err(no_place)?;
        return decision;
    }
    to_world(t, c, w, port)
}

/// Own address and MAC only; nothing to a data port, which would be a tunnel of the container's own.
#[inline(always)]
fn check_sender<T: Tables>(t: &T, c: &Config, w: &mut Work, port: &Port) -> Result<(), DropReason> {
    let p = &w.packet;
    if p.src_mac != port.mac {
        return Err(DropReason::SpoofedMac);
    }
    if p.sender != port.addr {
        return Err(DropReason::SpoofedSource);
    }
    let first = p.tuple.dst.low().get() >> 24;
    if first >= 224 || first == 127 || first == 0 {
        return Err(DropReason::Multicast);
    }
    if p.tuple.proto == IPPROTO_UDP && p.tuple.dport.raw() == c.data_port.raw() {
        w.addr = p.tuple.dst;
        if t.is_peer(&w.addr) || t.is_own(&w.addr) {
            return Err(DropReason::ForgedTunnel);
        }
    }
    Ok(())
}

/// 169.254.63.0/24 and 169.254.64.0/18: addresses with a meaning inside the node only.
#[inline(always)]
pub(crate) fn is_ours_linklocal(a: &Addr) -> bool {
    let v4 = a.low().get();
    v4 >> 8 == HOST_GATEWAY.to_bits() >> 8 || crate::host::dns_client_index(a).is_some()
}

/// A DNS query: the resolver sees a source that is unique on the node, so that it knows the caller
/// even where subnets are equal. Needs no state: the address is the index. It goes straight into the resolver's
/// namespace, where no rule of the host's firewall and no port that somebody else publishes is in the way.
#[inline(always)]
fn to_resolver<T: Tables>(t: &T, c: &Config, w: &mut Work, port: &Port) -> Decision {
    let to_dns = w.to.dst.low().get() == DNS_ADDR.to_bits() && w.to.dport.raw() == DNS_PORT.raw();
    if !to_dns || !w.packet.has_service_ports() {
        return Err(DropReason::LinkLocal);
    }
    w.to.src = Addr::v4(Be32::new(DNS_CLIENT_BASE.to_bits() + port.index));
    w.out.ifindex = c.resolver_ifindex;
    w.out.mac = RESOLVER_MAC;
    t.count(Event::Dns);
    Ok(Verdict::Local)
}

/// A packet that answers a translated flow: undone, then on to whoever asked.
#[inline(always)]
fn answer<T: Tables>(t: &T, c: &Config, w: &mut Work, vni: u32) -> Option<Decision> {
    w.key.tuple = w.to;
    w.key.scope = vni;
    w.key.via = Be32::from_raw(0);
    let flow = t.flow(Table::Rev, &w.key)?;
    touch(t, w, Table::Rev, Table::Ct, flow, Side::Server);
    w.to = flow.to;
    if flow.kind == FLOW_VIRTUAL {
        return Some(to_endpoint(t, c, w, vni).unwrap_or(Err(DropReason::NoEndpoint)));
    }
    let via = flow.via;
    if via.raw() == 0 {
        return Some(home(t, c, w));
    }
    w.out.vtep = Addr::v4(via);
    Some(Ok(Verdict::MeshReply))
}

/// A virtual address is nobody's, yet people ping it: the datapath answers.
#[inline(always)]
fn is_ping_of_virtual_address<T: Tables>(t: &T, w: &mut Work, vni: u32) -> bool {
    w.packet.kind == Kind::EchoRequest && w.packet.fragment == Fragment::Whole && find_virtual(t, w, vni).is_some()
}

#[inline(always)]
fn echo_back(w: &mut Work, port: &Port, ifindex: u32) -> Decision {
    w.to.src = w.packet.tuple.dst;
    w.to.dst = w.packet.tuple.src;
    w.out.ifindex = ifindex;
    w.out.mac = port.mac;
    Ok(Verdict::EchoBack)
}
