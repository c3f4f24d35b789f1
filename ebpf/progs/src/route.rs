//! The host's routes: by which device, and through whom, a packet leaves the node.

use abi::{Addr, Be32, Config, DropReason, Tuple};
use aya_ebpf::bindings::{__sk_buff, bpf_fib_lookup};
use aya_ebpf::helpers::generated as helper;

/// Address family IPv4.
pub const AF_INET: u8 = 2;
const FIB_SUCCESS: i64 = 0;
const FIB_NO_NEIGH: i64 = 7;
const FIB_TOO_BIG: i64 = 8;

/// A way out.
pub struct Way {
    /// The device.
    pub ifindex: u32,
    /// Next hop.
    pub hop: Be32,
}

/// `BPF_FIB_LOOKUP_SRC`, Linux 6.7: the address that the host would choose comes back in the source's place.
const WANT_SOURCE: u32 = 1 << 4;

/// The way of packets to `to` with the source `source`; none: as the host's own that are bound to no address.
#[inline(always)]
pub fn look_up(skb: *mut __sk_buff, c: &Config, to: &Tuple, source: &Addr) -> Result<Way, DropReason> {
    let mut fib = question(c, to, source);
    match ask(skb, &mut fib, 0) {
        FIB_SUCCESS | FIB_NO_NEIGH => {}
        FIB_TOO_BIG => return Err(DropReason::TooBig),
        _ => return Err(DropReason::NoRoute),
    }
    Ok(Way {
        ifindex: fib.ifindex,
        // SAFETY: the lookup left the next hop in the destination's place.
        hop: Be32::from_raw(unsafe { fib.__bindgen_anon_4.ipv4_dst }),
    })
}

/// The address with which the host's own packets go to `to`, that of a route which names one included. None before 6.7.
#[inline(always)]
pub fn source_to(skb: *mut __sk_buff, c: &Config, to: &Tuple) -> Option<Addr> {
    let mut fib = question(c, to, &Addr::NONE);
    match ask(skb, &mut fib, WANT_SOURCE) {
        // SAFETY: the lookup left an address there.
        FIB_SUCCESS | FIB_NO_NEIGH => Some(Addr::v4(Be32::from_raw(unsafe { fib.__bindgen_anon_3.ipv4_src }))),
        _ => None,
    }
}

#[inline(always)]
fn question(c: &Config, to: &Tuple, source: &Addr) -> bpf_fib_lookup {
    // SAFETY: all-zero is a value of this C struct.
    let mut fib: bpf_fib_lookup = unsafe { core::mem::zeroed() };
    fib.family = AF_INET;
    fib.l4_protocol = to.proto;
    fib.sport = to.sport.raw();
    fib.dport = to.dport.raw();
    fib.ifindex = c.host_ifindex;
    fib.__bindgen_anon_3.ipv4_src = source.low().raw();
    fib.__bindgen_anon_4.ipv4_dst = to.dst.low().raw();
    fib
}

#[inline(always)]
fn ask(skb: *mut __sk_buff, fib: &mut bpf_fib_lookup, flags: u32) -> i64 {
    // SAFETY: valid context, parameters of the size given.
    unsafe { helper::bpf_fib_lookup(skb.cast(), fib, size_of::<bpf_fib_lookup>() as i32, flags) }
}
