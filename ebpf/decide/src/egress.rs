//! From a container to the world and to its own node: source translation to an address of the node.
//!
//! Own node, published port: masqueraded first, then as if it had come in over an uplink. Own node,
//! any other port: masqueraded with the host gateway's address and handed to the host.

use abi::*;

use crate::published::{Place, find_frontend, published};
use crate::tables::{Created, Table, Tables};
use crate::track::{Ports, Side, open, touch};
use crate::work::{Decision, Fragment, Kind, Verdict, Work};

/// Decides over a packet for an address that is none of the network's.
#[inline(always)]
pub(crate) fn to_world<T: Tables>(t: &T, c: &Config, w: &mut Work, port: &Port) -> Decision {
    if same_subnet(&w.to.dst, &port.addr, port.prefix) {
        return Err(DropReason::NoEndpoint);
    }
    if port.flags & PORT_INTERNAL != 0 {
        return Err(DropReason::Internal);
    }
    if port.flags & PORT_GATEWAY == 0 {
        return Err(DropReason::NotGateway);
    }
    if matches!(w.packet.kind, Kind::Other | Kind::EchoReply) {
        return Err(DropReason::Protocol);
    }
    w.addr = w.to.dst;
    if !t.is_own(&w.addr) {
        masquerade(t, c, w, port.vni, Source::ByRoute)?;
        return Ok(Verdict::Uplink);
    }
    if w.packet.has_service_ports() && find_frontend(t, w, Place::Ingress).is_some() {
        masquerade(t, c, w, port.vni, Source::Is(c.snat_addr))?;
        return published(t, c, w, Place::Ingress).unwrap_or(Err(DropReason::UnknownFrontend));
    }
    masquerade(t, c, w, port.vni, Source::Is(HOST_GATEWAY.into()))?;
    Ok(Verdict::Host)
}

/// Whether two addresses share the first `prefix` of 128 bits. IPv4 subnets have a prefix of 96 and more.
#[inline(always)]
fn same_subnet(a: &Addr, b: &Addr, prefix: u8) -> bool {
    if !(96..=128).contains(&prefix) {
        return false;
    }
    let host_bits = 128 - prefix as u32;
    let differ = a.low().get() ^ b.low().get();
    host_bits >= 32 || differ >> host_bits == 0
}

/// The address that a flow leaves its node with.
#[derive(Clone, Copy)]
enum Source {
    Is(Addr),
    /// That of the way out when the flow began, which it keeps as long as the node has it.
    ByRoute,
}

impl Source {
    #[inline(always)]
    fn fits<T: Tables>(&self, t: &T, addr: &Addr) -> bool {
        match self {
            Self::Is(source) => addr == source,
            Self::ByRoute => t.is_own(addr),
        }
    }

    #[inline(always)]
    fn of_new<T: Tables>(&self, t: &T, c: &Config, to: &Tuple) -> Addr {
        match self {
            Self::Is(source) => *source,
            Self::ByRoute => t.source_to(c, to).unwrap_or(c.snat_addr),
        }
    }
}

/// Gives `w.to` a source address and a port of the node's range, by record or by a new one.
#[inline(always)]
fn masquerade<T: Tables>(t: &T, c: &Config, w: &mut Work, vni: u32, source: Source) -> Result<(), DropReason> {
    w.key.tuple = w.to;
    w.key.scope = vni;
    w.key.via = Be32::from_raw(0);
    if let Some(flow) = t.flow(Table::Ct, &w.key) {
        let renew = w.packet.is_syn() && flow.is_closed();
        if flow.kind == FLOW_EGRESS && source.fits(t, &flow.to.src) && !renew {
            touch(t, w, Table::Ct, Table::Snat, flow, Side::Client);
            w.to = flow.to;
            return Ok(());
        }
    }
    if !w.packet.may_open() {
        let later = w.packet.fragment == Fragment::Later;
        return Err(if later {
            DropReason::FragmentUnknown
        } else {
            DropReason::IcmpUnrelated
        });
    }
    w.flow.to = w.to.reversed();
    w.flow.backend = 0;
    w.flow.scope = vni;
    w.flow.via = Be32::from_raw(0);
    w.flow.kind = FLOW_EGRESS;
    w.flow.state = 0;
    let ports = Ports {
        first: c.snat_port_min,
        span: c.snat_port_max.wrapping_sub(c.snat_port_min).wrapping_add(1),
    };
    let start = mix(w.to.src.low().raw() ^ w.to.sport.raw() as u32 ^ mix(vni)) % ports.span.max(1) as u32;
    w.partner.tuple = w.flow.to;
    w.partner.tuple.dst = source.of_new(t, c, &w.to);
    w.partner.tuple.dport = Be16::new(c.snat_port_min.wrapping_add(start as u16));
    w.partner.scope = 0;
    w.partner.via = Be32::from_raw(0);
    open(t, w, Table::Ct, Table::Snat, ports).map_err(|e| match e {
        Created::Full => DropReason::TableFull,
        _ => DropReason::SnatExhausted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Memory, addr, config, segment};
    use crate::work::TCP_SYN;

    #[test]
    fn subnets_are_compared_by_their_prefix() {
        let a = |o| Addr::from_v4_octets(o);
        assert!(same_subnet(&a([10, 1, 0, 9]), &a([10, 1, 0, 200]), 120));
        assert!(!same_subnet(&a([10, 1, 1, 9]), &a([10, 1, 0, 200]), 120));
        assert!(same_subnet(&a([1, 2, 3, 4]), &a([200, 2, 3, 4]), 96));
        assert!(!same_subnet(&a([10, 1, 0, 9]), &a([10, 1, 0, 8]), 128));
        assert!(
            !same_subnet(&a([10, 1, 0, 9]), &a([10, 1, 0, 9]), 24),
            "not a prefix of the 16 bytes"
        );
    }

    #[test]
    fn many_flows_to_one_server_get_different_ports_of_the_nodes_range() {
        let m = Memory::default();
        let mut ports = std::collections::BTreeSet::new();
        for sport in 1000..2500 {
            let mut w = segment(2, sport, 99, 443, TCP_SYN);
            masquerade(&m, &config(), &mut w, 7, Source::ByRoute).unwrap();
            assert_eq!(w.to.src, config().snat_addr);
            assert!(w.to.sport.get() >= SNAT_PORT_MIN);
            assert!(ports.insert(w.to.sport), "{:?} twice", w.to.sport);
        }
    }

    #[test]
    fn a_full_range_is_told_and_silence_frees_it() {
        let mut m = Memory::default();
        let c = Config {
            snat_port_max: SNAT_PORT_MIN,
            ..config()
        };
        let open = |m: &Memory, sport| {
            let mut w = segment(2, sport, 99, 443, TCP_SYN);
            masquerade(m, &c, &mut w, 7, Source::ByRoute)
        };
        assert_eq!(open(&m, 1000), Ok(()));
        assert_eq!(open(&m, 1001), Err(DropReason::SnatExhausted));
        m.now = 9000;
        assert_eq!(open(&m, 1001), Ok(()));
    }

    #[test]
    fn a_flow_leaves_with_the_address_of_its_way_out_and_keeps_it() {
        let mut m = Memory::default();
        m.own.extend([addr(40), addr(41)]);
        let leave = |m: &Memory, sport| {
            let mut w = segment(2, sport, 99, 443, TCP_SYN);
            w.packet.tcp_flags = 0;
            masquerade(m, &config(), &mut w, 7, Source::ByRoute).unwrap();
            w.to.src
        };
        m.sources.insert(addr(99), addr(40));
        assert_eq!(leave(&m, 1000), addr(40));
        m.sources.insert(addr(99), addr(41));
        assert_eq!(leave(&m, 1000), addr(40));
        assert_eq!(leave(&m, 1001), addr(41));
        m.own.remove(&addr(40));
        assert_eq!(leave(&m, 1000), addr(41), "an address that is gone brings no answers");
    }
}
