//! Probes of the data port: a datagram of the agent goes through the tunnel to another node, which sends it back at once
//! from its own program. What comes back has taken the way of every packet of the overlay, there and back.
//!
//! ```text
//! agent -> ntl-host -> from_host -> tunnel, VNI_PROBE -> from_overlay of the peer: ends exchanged
//!   agent <- ntl-host <- from_overlay <- tunnel, VNI_PROBE_REPLY <-+
//! ```
//!
//! What goes to another port, one way, is an answer that nobody has asked for: it ends at the other node's agent, and
//! tells it that the way from here to there is open. Processes of the host cannot write to a data port (`socket`), so this
//! is the agent's only way into the tunnel.
//!
//! Only nodes of the cluster are answered and only they are believed; an answer is as long as its question.

use abi::*;

use crate::tables::Tables;
use crate::work::{Decision, Fragment, Kind, Packet, Verdict, Work};

/// Whether the host's stack sends this to be a probe.
#[inline(always)]
pub fn is_probe(p: &Packet) -> bool {
    p.tuple.dst.low().get() == PROBE_ADDR.to_bits()
}

/// A whole datagram to the probes' address and this port.
#[inline(always)]
fn is_whole_to(p: &Packet, port: Be16) -> bool {
    let whole = p.kind == Kind::Udp && p.fragment == Fragment::Whole;
    whole && is_probe(p) && p.tuple.dport.raw() == port.raw()
}

/// The agent's probe of the node whose tunnel endpoint is `target`, or what it sends there one way.
#[inline(always)]
pub fn probe<T: Tables>(t: &T, w: &mut Work, target: Be32) -> Decision {
    w.to = w.packet.tuple;
    w.out.vni = VNI_PROBE;
    if is_whole_to(&w.packet, ONE_WAY_PORT) {
        w.to = w.packet.tuple.reversed();
        w.to.sport = PROBE_PORT;
        w.to.dport = ONE_WAY_PORT;
        w.out.vni = VNI_PROBE_REPLY;
    } else if !is_whole_to(&w.packet, PROBE_PORT) {
        return Err(DropReason::LinkLocal);
    }
    w.out.vtep = Addr::v4(target);
    if !t.is_peer(&w.out.vtep) {
        return Err(DropReason::UnknownPeer);
    }
    Ok(Verdict::Remote)
}

/// A probe of the known node `sender`, sent back to it.
#[inline(always)]
pub(crate) fn turn_around(w: &mut Work, sender: &Addr) -> Decision {
    if !is_whole_to(&w.packet, PROBE_PORT) {
        return Err(DropReason::NoEndpoint);
    }
    w.to = w.packet.tuple.reversed();
    w.out.vtep = *sender;
    w.out.vni = VNI_PROBE_REPLY;
    Ok(Verdict::Remote)
}

/// A probe of ours that has come back, to the agent. No other address and port of the host is reached by it.
#[inline(always)]
pub(crate) fn come_back(w: &Work) -> Decision {
    let p = &w.packet;
    let answers = p.kind == Kind::Udp && p.fragment == Fragment::Whole && p.tuple.sport.raw() == PROBE_PORT.raw();
    let from_probe = p.tuple.src.low().get() == PROBE_ADDR.to_bits();
    if answers && from_probe && p.tuple.dst.low().get() == DNS_ADDR.to_bits() {
        Ok(Verdict::Host)
    } else {
        Err(DropReason::NoEndpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::from_overlay;
    use crate::testing::{Memory, addr, config};

    const AGENT: Tuple = Tuple {
        src: Addr::from_v4_octets(DNS_ADDR.octets()),
        dst: Addr::from_v4_octets(PROBE_ADDR.octets()),
        sport: Be16::new(40000),
        dport: PROBE_PORT,
        proto: IPPROTO_UDP,
        reserved: [0; 3],
    };

    fn world() -> Memory {
        let mut m = Memory::default();
        m.peers.extend([addr(1), addr(2)]);
        m
    }

    fn work(tuple: Tuple) -> Work {
        let mut w = Work::default();
        w.packet.tuple = tuple;
        w.packet.kind = Kind::Udp;
        w
    }

    #[test]
    fn a_probe_goes_to_the_peer_and_comes_back_to_the_agent() {
        let (m, c) = (world(), config());
        let mut w = work(AGENT);
        assert_eq!(probe(&m, &mut w, addr(2).low()), Ok(Verdict::Remote));
        assert_eq!((w.out.vtep, w.out.vni), (addr(2), VNI_PROBE));
        let mut w = work(w.to);
        assert_eq!(from_overlay(&m, &c, &mut w, VNI_PROBE, &addr(1)), Ok(Verdict::Remote));
        assert_eq!((w.out.vtep, w.out.vni), (addr(1), VNI_PROBE_REPLY));
        let mut w = work(w.to);
        assert_eq!(
            from_overlay(&m, &c, &mut w, VNI_PROBE_REPLY, &addr(2)),
            Ok(Verdict::Host)
        );
        assert_eq!((w.to.dst, w.to.dport), (AGENT.src, AGENT.sport));
    }

    #[test]
    fn what_goes_one_way_ends_at_the_other_agent() {
        let (m, c) = (world(), config());
        let sent = Tuple {
            dport: ONE_WAY_PORT,
            ..AGENT
        };
        let mut w = work(sent);
        assert_eq!(probe(&m, &mut w, addr(2).low()), Ok(Verdict::Remote));
        assert_eq!((w.out.vtep, w.out.vni), (addr(2), VNI_PROBE_REPLY));
        let mut w = work(w.to);
        assert_eq!(
            from_overlay(&m, &c, &mut w, VNI_PROBE_REPLY, &addr(1)),
            Ok(Verdict::Host)
        );
        assert_eq!((w.to.dst, w.to.dport), (AGENT.src, ONE_WAY_PORT));
        let turned = from_overlay(&m, &c, &mut work(sent), VNI_PROBE, &addr(1));
        assert_eq!(turned, Err(DropReason::NoEndpoint), "nothing of it comes back");
    }

    #[test]
    fn strangers_and_other_ports_get_nothing() {
        let (m, c) = (world(), config());
        assert_eq!(probe(&m, &mut work(AGENT), addr(9).low()), Err(DropReason::UnknownPeer));
        let stranger = from_overlay(&m, &c, &mut work(AGENT), VNI_PROBE, &addr(9));
        assert_eq!(stranger, Err(DropReason::UnknownPeer));
        let other = Tuple {
            dport: Be16::new(53),
            ..AGENT
        };
        assert_eq!(probe(&m, &mut work(other), addr(2).low()), Err(DropReason::LinkLocal));
        let turned = from_overlay(&m, &c, &mut work(other), VNI_PROBE, &addr(2));
        assert_eq!(turned, Err(DropReason::NoEndpoint));
        let forged = Tuple {
            src: AGENT.dst,
            sport: PROBE_PORT,
            dst: addr(1),
            dport: Be16::new(111),
            ..AGENT
        };
        let reply = from_overlay(&m, &c, &mut work(forged), VNI_PROBE_REPLY, &addr(2));
        assert_eq!(
            reply,
            Err(DropReason::NoEndpoint),
            "other addresses of the host are not reached"
        );
    }
}
