//! Answers a TCP packet that cannot be delivered with a reset, as the addressee's stack would: an
//! error at once beats a connection that hangs.

use abi::{DropReason, EVENT_BASE, Event, GATEWAY_MAC, IPPROTO_TCP, Mac};
use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::{bpf_csum_diff, bpf_skb_change_tail};
use decide::Work;

use crate::checksum::write;
use crate::kernel::tally;
use crate::parse::{ETH, read};

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;
const LENGTH: u32 = ETH + 40;

/// Headers of the reset. The pseudo header stands in front of the TCP header, where the IP header
/// goes once the sum is made; all words as they lie in the packet.
#[repr(C)]
struct Segment {
    src: u32,
    dst: u32,
    proto_length: u32,
    sport: u16,
    dport: u16,
    seq: u32,
    ack: u32,
    offset_flags: u16,
    window: u16,
    sum: u16,
    urgent: u16,
}

/// Turns the packet into the reset of its connection, back to its sender behind `w.out`.
#[inline(always)]
pub fn make(skb: *mut __sk_buff, w: &Work, sender: Mac) -> Result<(), DropReason> {
    let p = &w.packet;
    // Sequence, acknowledgement, data offset and flags.
    let h: [u32; 3] = read(skb, p.l4 + 4)?;
    let header = (h[2].to_ne_bytes()[0] >> 4) as u32 * 4;
    let ip: [u16; 2] = read(skb, ETH)?;
    let total = u16::from_be(ip[1]) as u32;
    let data = total.wrapping_sub(p.l4 - ETH).wrapping_sub(header);
    let control = (p.tcp_flags & SYN != 0) as u32 + (p.tcp_flags & FIN != 0) as u32;
    let acked = p.tcp_flags & ACK != 0;
    let mut s = Segment {
        src: p.tuple.dst.low().raw(),
        dst: p.tuple.src.low().raw(),
        proto_length: ((IPPROTO_TCP as u32) << 16 | 20).to_be(),
        sport: p.tuple.dport.raw(),
        dport: p.tuple.sport.raw(),
        seq: if acked { h[1] } else { 0 },
        ack: if acked {
            0
        } else {
            u32::from_be(h[0]).wrapping_add(data).wrapping_add(control).to_be()
        },
        offset_flags: (0x5000 | (RST | if acked { 0 } else { ACK }) as u16).to_be(),
        window: 0,
        sum: 0,
        urgent: 0,
    };
    s.sum = fold((&raw mut s).cast(), 32);
    // SAFETY: valid context.
    if unsafe { bpf_skb_change_tail(skb, LENGTH, 0) } != 0 {
        return Err(DropReason::Helper);
    }
    let tcp = [
        ((s.sport.to_be() as u32) << 16 | s.dport.to_be() as u32).to_be(),
        s.seq,
        s.ack,
        ((s.offset_flags.to_be() as u32) << 16).to_be(),
        (s.sum.to_be() as u32).wrapping_shl(16).to_be(),
    ];
    write_ip(skb, &s)?;
    write(skb, ETH + 20, &tcp)?;
    write(skb, 0, &[sender, GATEWAY_MAC])?;
    tally(EVENT_BASE + Event::ResetSent as u32, 0);
    Ok(())
}

/// An IP header of 20 bytes.
#[inline(always)]
fn write_ip(skb: *mut __sk_buff, s: &Segment) -> Result<(), DropReason> {
    let mut h = [
        0x4500_0028_u32.to_be(),
        0x0000_4000_u32.to_be(),
        0x4006_0000_u32.to_be(),
        s.src,
        s.dst,
    ];
    let sum = fold(h.as_mut_ptr(), 20);
    h[2] = (0x4006_0000 | u16::from_be(sum) as u32).to_be();
    write(skb, ETH, &h)
}

/// One's complement checksum of `len` bytes, as it lies in a packet.
#[inline(always)]
fn fold(words: *mut u32, len: u32) -> u16 {
    // SAFETY: the callers give buffers of this length on their own stack.
    let mut sum = unsafe { bpf_csum_diff(core::ptr::null_mut(), 0, words, len, 0) } as u32;
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    !(sum as u16)
}
