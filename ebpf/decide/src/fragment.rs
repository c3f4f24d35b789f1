//! Fragments: the first one carries the ports and leaves them behind, later ones take them up.
//!
//! Later fragments then meet the same tables as the first, and only their IP header is rewritten.
//! A later fragment that overtakes its first is not known (counted, or left alone on an uplink).

use abi::{Be32, FragPorts};

use crate::tables::Tables;
use crate::work::Work;

#[inline(always)]
fn key(w: &mut Work, scope: u32, via: Be32) {
    w.frag.src = w.packet.tuple.src;
    w.frag.dst = w.packet.tuple.dst;
    w.frag.scope = scope;
    w.frag.via = via;
    w.frag.id = w.packet.id;
    w.frag.proto = w.packet.tuple.proto;
}

/// Gives a later fragment the ports of its first; false when that one is not known.
#[inline(always)]
pub fn restore_ports<T: Tables>(t: &T, w: &mut Work, scope: u32, via: Be32) -> bool {
    key(w, scope, via);
    let Some(ports) = t.fragment(&w.frag) else {
        return false;
    };
    w.packet.tuple.sport = ports.sport;
    w.packet.tuple.dport = ports.dport;
    true
}

/// Keeps the ports of a first fragment for the later ones.
#[inline(always)]
pub fn remember_ports<T: Tables>(t: &T, w: &mut Work, scope: u32, via: Be32) {
    key(w, scope, via);
    let ports = FragPorts {
        sport: w.packet.tuple.sport,
        dport: w.packet.tuple.dport,
    };
    t.keep_fragment(&w.frag, &ports);
}
