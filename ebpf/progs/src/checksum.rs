//! Rewriting a packet from one tuple to another with every checksum kept right.
//!
//! By the kernel's checksum helpers, which know whether the sum is complete, partial (a packet still to be
//! summed by hardware) or absent. Order: layer 4 sum, IP sum, then the bytes.

use abi::{Addr, Be16, DropReason, Tuple};
use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::{bpf_l3_csum_replace, bpf_l4_csum_replace, bpf_skb_store_bytes};
use decide::{Fragment, Kind, Packet};

use crate::parse::ETH;

const PSEUDO_HDR: u64 = 16;
const MARK_MANGLED_0: u64 = 32;
const SRC: u32 = 12;
const DST: u32 = 16;
const IP_SUM: u32 = 10;

/// Writes bytes into the packet.
#[inline(always)]
pub fn write<T>(skb: *mut __sk_buff, offset: u32, value: &T) -> Result<(), DropReason> {
    // SAFETY: the helper reads exactly the size of `value`.
    check(unsafe { bpf_skb_store_bytes(skb, offset, core::ptr::from_ref(value).cast(), size_of::<T>() as u32, 0) })
}

#[inline(always)]
fn check(r: i64) -> Result<(), DropReason> {
    if r == 0 { Ok(()) } else { Err(DropReason::Helper) }
}

/// Rewrites the packet to `to`.
#[inline(always)]
pub fn rewrite(skb: *mut __sk_buff, p: &Packet, to: &Tuple) -> Result<(), DropReason> {
    if p.kind == Kind::Error {
        return rewrite_error(skb, p, to);
    }
    let (sum, flags) = match (p.fragment, p.kind) {
        (Fragment::Later, _) | (_, Kind::Other | Kind::Error) => (0, 0),
        (_, Kind::Tcp) => (p.l4 + 16, 0),
        (_, Kind::Udp) => (p.l4 + 6, MARK_MANGLED_0),
        (_, Kind::EchoRequest | Kind::EchoReply) => (p.l4 + 2, 0),
    };
    let pseudo = if matches!(p.kind, Kind::Tcp | Kind::Udp) {
        sum
    } else {
        0
    };
    address(skb, SRC, &p.tuple.src, &to.src, pseudo, flags)?;
    address(skb, DST, &p.tuple.dst, &to.dst, pseudo, flags)?;
    if sum == 0 {
        return Ok(());
    }
    let (source, destination) = match p.kind {
        Kind::EchoRequest | Kind::EchoReply => (p.l4 + 4, p.l4 + 4),
        _ => (p.l4, p.l4 + 2),
    };
    port(skb, source, p.tuple.sport, to.sport, sum, flags)?;
    port(skb, destination, p.tuple.dport, to.dport, sum, flags)
}

/// One address of the IP header, at `field` of it.
#[inline(always)]
fn address(skb: *mut __sk_buff, field: u32, old: &Addr, new: &Addr, sum: u32, flags: u64) -> Result<(), DropReason> {
    let (old, new) = (old.low().raw(), new.low().raw());
    if old == new {
        return Ok(());
    }
    // SAFETY: offsets lie in headers that the parser has read; the helpers check them once more.
    unsafe {
        if sum != 0 {
            check(bpf_l4_csum_replace(
                skb,
                sum,
                old as u64,
                new as u64,
                flags | PSEUDO_HDR | 4,
            ))?;
        }
        check(bpf_l3_csum_replace(skb, ETH + IP_SUM, old as u64, new as u64, 4))?;
    }
    write(skb, ETH + field, &new)
}

#[inline(always)]
fn port(skb: *mut __sk_buff, at: u32, old: Be16, new: Be16, sum: u32, flags: u64) -> Result<(), DropReason> {
    if old.raw() == new.raw() {
        return Ok(());
    }
    // SAFETY: as above.
    check(unsafe { bpf_l4_csum_replace(skb, sum, old.raw() as u64, new.raw() as u64, flags | 2) })?;
    write(skb, at, &new.raw())
}

/// Makes an echo request a reply.
#[inline(always)]
pub fn make_echo_reply(skb: *mut __sk_buff, p: &Packet) -> Result<(), DropReason> {
    let request = 0x0800_u16.to_be();
    // SAFETY: the parser has read the ICMP header.
    check(unsafe { bpf_l4_csum_replace(skb, p.l4 + 2, request as u64, 0, 2) })?;
    write(skb, p.l4, &0_u16)
}

/// An ICMP error: its own header, and the header it quotes, which runs the other way. The quoted
/// transport checksum is left alone: nobody checks it, and often it is cut off.
#[inline(always)]
fn rewrite_error(skb: *mut __sk_buff, p: &Packet, to: &Tuple) -> Result<(), DropReason> {
    let quoted = p.l4 + 8;
    if p.sender == p.tuple.src {
        address(skb, SRC, &p.tuple.src, &to.src, 0, 0)?;
    }
    address(skb, DST, &p.tuple.dst, &to.dst, 0, 0)?;
    quoted_address(skb, quoted, SRC, &p.tuple.dst, &to.dst)?;
    quoted_address(skb, quoted, DST, &p.tuple.src, &to.src)?;
    let sum = p.l4 + 2;
    if p.tuple.proto == abi::IPPROTO_ICMP {
        // One identifier, on either side's port.
        let old = Be16::from_raw(p.tuple.sport.raw() | p.tuple.dport.raw());
        let new = Be16::from_raw(to.sport.raw() | to.dport.raw());
        return port(skb, p.quoted_l4 + 4, old, new, sum, 0);
    }
    port(skb, p.quoted_l4, p.tuple.dport, to.dport, sum, 0)?;
    port(skb, p.quoted_l4 + 2, p.tuple.sport, to.sport, sum, 0)
}

/// An address of the quoted IP header. Its checksum changes by the opposite amount, so the sum of
/// the ICMP message stays as it is.
#[inline(always)]
fn quoted_address(skb: *mut __sk_buff, header: u32, field: u32, old: &Addr, new: &Addr) -> Result<(), DropReason> {
    let (old, new) = (old.low().raw(), new.low().raw());
    if old == new {
        return Ok(());
    }
    // SAFETY: the parser has read the quoted header.
    check(unsafe { bpf_l3_csum_replace(skb, header + IP_SUM, old as u64, new as u64, 4) })?;
    write(skb, header + field, &new)
}
