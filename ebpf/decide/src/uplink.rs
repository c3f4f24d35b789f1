//! `from_uplink`: a packet that came in over a device of the host. Whatever is not ours is left alone, but for what the
//! host would carry where none but this node may send.

use abi::*;

use crate::container::is_ours_linklocal;
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
        return forwarded(t, c, w);
    }
    if let Some(decision) = to_masqueraded(t, c, w) {
        return decision;
    }
    published(t, c, w, Place::Ingress).unwrap_or(Ok(Verdict::Pass))
}

/// A packet that the host would carry on for somebody else: a neighbour, or a container of the engine's own networks,
/// whose packets leave with an address of this node. Not to the addresses that mean something inside the node only, and
/// no tunnel to a peer unless it is another peer's.
#[inline(always)]
fn forwarded<T: Tables>(t: &T, c: &Config, w: &mut Work) -> Decision {
    if is_ours_linklocal(&w.to.dst) {
        return Err(DropReason::LinkLocal);
    }
    if w.to.proto == IPPROTO_UDP && w.to.dport.raw() == c.data_port.raw() && t.is_peer(&w.addr) {
        w.addr = w.packet.sender;
        if !t.is_peer(&w.addr) {
            return Err(DropReason::ForgedTunnel);
        }
    }
    Ok(Verdict::Pass)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Memory, addr, config, segment};

    fn datagram(src: u8, dst: Addr, dport: u16) -> Work {
        let mut w = segment(src, 4000, 0, dport, 0);
        w.packet.kind = crate::work::Kind::Udp;
        w.packet.tuple.proto = IPPROTO_UDP;
        w.packet.tuple.dst = dst;
        w
    }

    #[test]
    fn the_host_carries_nothing_to_addresses_inside_the_node_and_no_tunnel_but_a_peers() {
        let mut m = Memory::default();
        m.peers.extend([addr(1), addr(2)]);
        m.own.insert(addr(1));
        let decide = |mut w: Work| from_uplink(&m, &config(), &mut w);
        let client = Addr::v4(Be32::new(DNS_CLIENT_BASE.to_bits() + 5));
        for inside in [client, DNS_ADDR.into(), HOST_GATEWAY.into()] {
            assert_eq!(decide(datagram(9, inside, 53)), Err(DropReason::LinkLocal));
        }
        assert_eq!(decide(datagram(9, addr(2), DATA_PORT)), Err(DropReason::ForgedTunnel));
        assert_eq!(decide(datagram(2, addr(2), DATA_PORT)), Ok(Verdict::Pass));
        assert_eq!(decide(datagram(9, addr(2), 53)), Ok(Verdict::Pass));
        assert_eq!(decide(datagram(9, addr(3), DATA_PORT)), Ok(Verdict::Pass));
    }
}
