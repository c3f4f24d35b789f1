//! From the packet to `decide`'s facts. Reads by `bpf_skb_load_bytes`, so that it does not matter
//! where in the buffer the headers lie; lengths are taken from the packet, never from the wire's word alone.

use abi::{Addr, Be16, Be32, DropReason, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, Mac};
use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::bpf_skb_load_bytes;
use decide::{ArpRequest, Fragment, Kind, Packet};

/// Length of the Ethernet header.
pub const ETH: u32 = 14;
const ETH_IPV4: u16 = 0x0800_u16.to_be();
const ETH_ARP: u16 = 0x0806_u16.to_be();
const ETH_IPV6: u16 = 0x86dd_u16.to_be();
const MORE_FRAGMENTS: u16 = 0x2000;
const FRAGMENT_OFFSET: u16 = 0x1fff;

/// What kind of frame it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// IPv4, parsed.
    Ipv4,
    /// ARP, not parsed yet.
    Arp,
    /// IPv6.
    Ipv6,
    /// Anything else.
    Other,
}

/// Ethernet and IPv4 header. The first two bytes are ours and put the IP header on a multiple of four.
#[repr(C)]
#[derive(Default)]
struct Head {
    pad: u16,
    dst_mac: Mac,
    src_mac: Mac,
    ethertype: u16,
    version_ihl: u8,
    tos: u8,
    total: u16,
    id: u16,
    fragment: u16,
    ttl: u8,
    proto: u8,
    checksum: u16,
    src: u32,
    dst: u32,
}

/// Reads `size_of::<T>()` bytes at `offset`.
#[inline(always)]
pub fn read<T: Copy + Default>(skb: *mut __sk_buff, offset: u32) -> Result<T, DropReason> {
    let mut value = T::default();
    // SAFETY: the helper writes exactly the size of `value`, which is plain data, or fails.
    let r = unsafe { bpf_skb_load_bytes(skb.cast(), offset, (&raw mut value).cast(), size_of::<T>() as u32) };
    if r == 0 { Ok(value) } else { Err(DropReason::Malformed) }
}

/// Parses a frame into `p`.
#[inline(always)]
pub fn frame(skb: *mut __sk_buff, p: &mut Packet) -> Result<Frame, DropReason> {
    let mut h = Head::default();
    // SAFETY: valid context.
    p.len = unsafe { (*skb).len };
    // SAFETY: 34 bytes from `dst_mac` to the end of `h`.
    let r = unsafe { bpf_skb_load_bytes(skb.cast(), 0, (&raw mut h).byte_add(2).cast(), 34) };
    if r != 0 {
        return short(skb);
    }
    p.dst_mac = h.dst_mac;
    p.src_mac = h.src_mac;
    match h.ethertype {
        ETH_IPV4 => ipv4(skb, p, &h),
        ETH_ARP => Ok(Frame::Arp),
        ETH_IPV6 => Ok(Frame::Ipv6),
        _ => Ok(Frame::Other),
    }
}

/// Whether the frame has a VLAN id, which the kernel keeps beside it: `__sk_buff.vlan_tci`, id in the low 12 bits (0: a
/// priority alone).
#[inline(always)]
pub fn is_tagged(skb: *mut __sk_buff) -> bool {
    // SAFETY: valid context.
    unsafe { (*skb).vlan_present != 0 && (*skb).vlan_tci & 0xfff != 0 }
}

/// A frame without room for an IP header.
#[inline(always)]
fn short(skb: *mut __sk_buff) -> Result<Frame, DropReason> {
    match read::<u16>(skb, 12)? {
        ETH_IPV4 | ETH_ARP | ETH_IPV6 => Err(DropReason::Malformed),
        _ => Ok(Frame::Other),
    }
}

#[inline(always)]
fn ipv4(skb: *mut __sk_buff, p: &mut Packet, h: &Head) -> Result<Frame, DropReason> {
    let ihl = (h.version_ihl & 15) as u32 * 4;
    let total = u16::from_be(h.total) as u32;
    // A super-packet beyond 64 KiB says 0.
    let fits = total == 0 || (total >= ihl && ETH + total <= p.len);
    if h.version_ihl >> 4 != 4 || ihl < 20 || !fits {
        return Err(DropReason::Malformed);
    }
    p.l4 = ETH + ihl;
    p.quoted_l4 = 0;
    p.id = Be16::from_raw(h.id);
    p.tcp_flags = 0;
    p.tuple.src = Addr::v4(Be32::from_raw(h.src));
    p.tuple.dst = Addr::v4(Be32::from_raw(h.dst));
    p.tuple.sport = Be16::from_raw(0);
    p.tuple.dport = Be16::from_raw(0);
    p.tuple.proto = h.proto;
    p.sender = p.tuple.src;
    let fragment = u16::from_be(h.fragment);
    p.fragment = if fragment & FRAGMENT_OFFSET != 0 {
        Fragment::Later
    } else if fragment & MORE_FRAGMENTS != 0 {
        Fragment::First
    } else {
        Fragment::Whole
    };
    layer4(skb, p)?;
    Ok(Frame::Ipv4)
}

#[inline(always)]
fn layer4(skb: *mut __sk_buff, p: &mut Packet) -> Result<(), DropReason> {
    let later = p.fragment == Fragment::Later;
    p.kind = Kind::Other;
    match p.tuple.proto {
        IPPROTO_TCP => {
            p.kind = Kind::Tcp;
            if !later {
                // As far as it is rewritten: up to the checksum.
                let h: [u16; 9] = read(skb, p.l4)?;
                p.tuple.sport = Be16::from_raw(h[0]);
                p.tuple.dport = Be16::from_raw(h[1]);
                p.tcp_flags = (u16::from_be(h[6]) & 0xff) as u8;
            }
        }
        IPPROTO_UDP => {
            p.kind = Kind::Udp;
            if !later {
                let h: [u16; 4] = read(skb, p.l4)?;
                p.tuple.sport = Be16::from_raw(h[0]);
                p.tuple.dport = Be16::from_raw(h[1]);
            }
        }
        IPPROTO_ICMP if !later => return icmp(skb, p),
        _ => {}
    }
    Ok(())
}

#[inline(always)]
fn icmp(skb: *mut __sk_buff, p: &mut Packet) -> Result<(), DropReason> {
    let h: [u16; 4] = read(skb, p.l4)?;
    let id = Be16::from_raw(h[2]);
    match u16::from_be(h[0]) >> 8 {
        8 => {
            p.kind = Kind::EchoRequest;
            p.tuple.sport = id;
        }
        0 => {
            p.kind = Kind::EchoReply;
            p.tuple.dport = id;
        }
        // Unreachable, source quench, time exceeded, parameter problem.
        3 | 4 | 11 | 12 => return quoted(skb, p),
        _ => {}
    }
    Ok(())
}

/// An ICMP error: takes the tuple of the packet it quotes, reversed. What quotes nothing that we could
/// know (a later fragment, another protocol, an addressee who did not send it) stays `Other`.
#[inline(always)]
fn quoted(skb: *mut __sk_buff, p: &mut Packet) -> Result<(), DropReason> {
    let at = p.l4 + 8;
    let h: [u32; 5] = read(skb, at)?;
    let version_ihl = h[0].to_ne_bytes()[0];
    let ihl = (version_ihl & 15) as u32 * 4;
    let fragment = u32::from_be(h[1]) & FRAGMENT_OFFSET as u32;
    let sender = Addr::v4(Be32::from_raw(h[3]));
    if version_ihl >> 4 != 4 || ihl < 20 || fragment != 0 || sender != p.tuple.dst {
        return Ok(());
    }
    let ports: [u16; 4] = read(skb, at + ihl)?;
    let (sport, dport) = match h[2].to_ne_bytes()[1] {
        IPPROTO_TCP | IPPROTO_UDP => (ports[0], ports[1]),
        IPPROTO_ICMP if u16::from_be(ports[0]) >> 8 == 8 => (ports[2], 0),
        IPPROTO_ICMP if u16::from_be(ports[0]) >> 8 == 0 => (0, ports[2]),
        _ => return Ok(()),
    };
    p.kind = Kind::Error;
    p.quoted_l4 = at + ihl;
    p.tuple.proto = h[2].to_ne_bytes()[1];
    p.tuple.src = Addr::v4(Be32::from_raw(h[4]));
    p.tuple.sport = Be16::from_raw(dport);
    p.tuple.dport = Be16::from_raw(sport);
    Ok(())
}

/// Parses an ARP frame; false when it is not a request for IPv4 over Ethernet.
#[inline(always)]
pub fn arp(skb: *mut __sk_buff, a: &mut ArpRequest) -> Result<bool, DropReason> {
    let h: [u16; 14] = read(skb, ETH)?;
    let request = h[0] == 1_u16.to_be() && h[1] == ETH_IPV4 && h[2] == 0x0604_u16.to_be() && h[3] == 1_u16.to_be();
    a.sender_mac = mac([h[4], h[5], h[6]]);
    a.sender = ip([h[7], h[8]]);
    a.target = ip([h[12], h[13]]);
    Ok(request)
}

#[inline(always)]
fn mac(h: [u16; 3]) -> Mac {
    let (a, b, c) = (h[0].to_ne_bytes(), h[1].to_ne_bytes(), h[2].to_ne_bytes());
    [a[0], a[1], b[0], b[1], c[0], c[1]]
}

#[inline(always)]
fn ip(h: [u16; 2]) -> Addr {
    let (a, b) = (h[0].to_ne_bytes(), h[1].to_ne_bytes());
    Addr::from_v4_octets([a[0], a[1], b[0], b[1]])
}
