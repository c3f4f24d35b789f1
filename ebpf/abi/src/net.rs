//! Addresses, ports and MACs as they lie in packets: the byte order is in the type.
//!
//! Used by every key and value. Must stay true: the bytes of an [`Addr`], [`Be16`] and [`Be32`] are
//! network order, so they can be copied between packet and map without a swap.

use core::cmp::Ordering;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A 16-bit number in network byte order (a port, a length).
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Be16(u16);

impl Be16 {
    /// From a host-order number.
    #[inline(always)]
    pub const fn new(host: u16) -> Self {
        Self(host.to_be())
    }
    /// From the bytes as they lie in a packet, read as a native integer.
    #[inline(always)]
    pub const fn from_raw(raw: u16) -> Self {
        Self(raw)
    }
    /// The number in host order.
    #[inline(always)]
    pub const fn get(self) -> u16 {
        u16::from_be(self.0)
    }
    /// The network-order bytes read as a native integer (what checksum helpers want).
    #[inline(always)]
    pub const fn raw(self) -> u16 {
        self.0
    }
}

/// A 32-bit number in network byte order (an IPv4 address).
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Be32(u32);

impl Be32 {
    /// From a host-order number.
    #[inline(always)]
    pub const fn new(host: u32) -> Self {
        Self(host.to_be())
    }
    /// From the bytes as they lie in a packet, read as a native integer.
    #[inline(always)]
    pub const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }
    /// The number in host order.
    #[inline(always)]
    pub const fn get(self) -> u32 {
        u32::from_be(self.0)
    }
    /// The network-order bytes read as a native integer.
    #[inline(always)]
    pub const fn raw(self) -> u32 {
        self.0
    }
}

impl From<Ipv4Addr> for Be32 {
    fn from(a: Ipv4Addr) -> Self {
        Self(u32::from_ne_bytes(a.octets()))
    }
}

impl Ord for Be16 {
    fn cmp(&self, other: &Self) -> Ordering {
        self.get().cmp(&other.get())
    }
}
impl PartialOrd for Be16 {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Be32 {
    fn cmp(&self, other: &Self) -> Ordering {
        self.get().cmp(&other.get())
    }
}
impl PartialOrd for Be32 {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// An IP address: 16 bytes in network order, IPv4 as `::ffff:a.b.c.d`; all zero is "none".
#[repr(C)]
#[derive(Clone, Copy, Default, Eq)]
pub struct Addr {
    words: [u32; 4],
}
const _: () = assert!(size_of::<Addr>() == 16 && align_of::<Addr>() == 4);

impl Addr {
    /// No address.
    pub const NONE: Self = Self { words: [0; 4] };

    /// An IPv4 address in its mapped form.
    #[inline(always)]
    pub const fn v4(a: Be32) -> Self {
        Self {
            words: [0, 0, 0xffff_u32.to_be(), a.raw()],
        }
    }
    /// An IPv4 address in its mapped form, from its four bytes.
    pub const fn from_v4_octets(a: [u8; 4]) -> Self {
        Self::v4(Be32::from_raw(u32::from_ne_bytes(a)))
    }
    /// An address from its 16 bytes as they lie in a packet.
    pub const fn from_octets(b: [u8; 16]) -> Self {
        let mut words = [0; 4];
        let mut i = 0;
        while i < 4 {
            words[i] = u32::from_ne_bytes([b[4 * i], b[4 * i + 1], b[4 * i + 2], b[4 * i + 3]]);
            i += 1;
        }
        Self { words }
    }
    /// The 16 bytes in network order.
    pub fn octets(&self) -> [u8; 16] {
        let mut b = [0; 16];
        for (i, w) in self.words.iter().enumerate() {
            b[4 * i..4 * i + 4].copy_from_slice(&w.to_ne_bytes());
        }
        b
    }
    /// The last 32 bits: the IPv4 address when [`Self::is_v4`].
    #[inline(always)]
    pub const fn low(&self) -> Be32 {
        Be32::from_raw(self.words[3])
    }
    /// The IPv4 address, if it is one.
    #[inline(always)]
    pub fn as_v4(&self) -> Option<Be32> {
        if self.is_v4() { Some(self.low()) } else { None }
    }
    /// Whether this is a mapped IPv4 address.
    #[inline(always)]
    pub const fn is_v4(&self) -> bool {
        self.words[0] | self.words[1] == 0 && self.words[2] == 0xffff_u32.to_be()
    }
    /// Whether this is no address at all.
    #[inline(always)]
    pub const fn is_none(&self) -> bool {
        self.words[0] | self.words[1] | self.words[2] | self.words[3] == 0
    }
    /// The four network-order words (input of hashes).
    #[inline(always)]
    pub const fn words(&self) -> [u32; 4] {
        self.words
    }
}

// Written out, so that the kernel side compiles to four word compares and never to a call of bcmp.
impl PartialEq for Addr {
    #[inline(always)]
    fn eq(&self, o: &Self) -> bool {
        let (a, b) = (&self.words, &o.words);
        (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) == 0
    }
}
impl core::hash::Hash for Addr {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.words.hash(state);
    }
}
impl Ord for Addr {
    fn cmp(&self, other: &Self) -> Ordering {
        self.octets().cmp(&other.octets())
    }
}
impl PartialOrd for Addr {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl From<Ipv4Addr> for Addr {
    fn from(a: Ipv4Addr) -> Self {
        Self::from_v4_octets(a.octets())
    }
}
impl From<IpAddr> for Addr {
    fn from(a: IpAddr) -> Self {
        match a {
            IpAddr::V4(a) => a.into(),
            IpAddr::V6(a) => Self::from_octets(a.octets()),
        }
    }
}
impl From<Addr> for IpAddr {
    fn from(a: Addr) -> Self {
        match a.as_v4() {
            Some(v4) => IpAddr::V4(Ipv4Addr::from(v4.get())),
            None => IpAddr::V6(Ipv6Addr::from(a.octets())),
        }
    }
}

/// An Ethernet address.
pub type Mac = [u8; 6];

/// The MAC with which the datapath answers every ARP request and sends every frame to an endpoint.
pub const GATEWAY_MAC: Mac = [0x02, 0x4e, 0x54, 0x4c, 0x00, 0x01];
/// The MAC of `ntl-vx0` on every node: the inner destination of frames between nodes.
pub const VXLAN_MAC: Mac = [0x02, 0x4e, 0x54, 0x4c, 0x00, 0x02];

/// "Host gateway": where the socket hooks send `localhost:PUBLISHED`, and the source of container
/// traffic to the node's own unpublished ports.
pub const HOST_GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 63, 1);
/// The MAC of the resolver, in a network namespace of its own.
pub const RESOLVER_MAC: Mac = [0x02, 0x4e, 0x54, 0x4c, 0x00, 0x04];
/// The agent's DNS resolver, as containers address it.
pub const DNS_ADDR: Ipv4Addr = Ipv4Addr::new(169, 254, 63, 53);
/// Port of the resolver, UDP and TCP.
pub const DNS_PORT: Be16 = Be16::new(53);
/// Where the agent sends probes of the data port of other nodes: UDP datagrams that begin with the tunnel endpoint of
/// the node, four bytes in network order.
pub const PROBE_ADDR: Ipv4Addr = Ipv4Addr::new(169, 254, 63, 54);
/// Port of probes: that of the echo service.
pub const PROBE_PORT: Be16 = Be16::new(7);
/// Port of what goes to the other node's agent and does not come back: that of the discard service. Both agents have it.
pub const ONE_WAY_PORT: Be16 = Be16::new(9);
/// First of the addresses under which the resolver sees the endpoints of the node.
pub const DNS_CLIENT_BASE: Ipv4Addr = Ipv4Addr::new(169, 254, 64, 0);
/// Prefix length of [`DNS_CLIENT_BASE`].
pub const DNS_CLIENT_PREFIX: u8 = 18;

/// VXLAN port of the cluster, UDP.
pub const DATA_PORT: u16 = 4789;
/// VNI of published traffic on its way to the backend's node.
pub const VNI_MESH_REQUEST: u32 = 0xff_fff0;
/// VNI of published traffic on its way back to the ingress node.
pub const VNI_MESH_REPLY: u32 = 0xff_fff1;
/// VNI of a probe of the data port on its way to the probed node.
pub const VNI_PROBE: u32 = 0xff_fff2;
/// VNI of a probe that comes back.
pub const VNI_PROBE_REPLY: u32 = 0xff_fff3;
/// Lowest VNI of a network; the ingress network has this one.
pub const VNI_FIRST: u32 = 4096;

/// IP protocol numbers the datapath tells apart.
pub const IPPROTO_ICMP: u8 = 1;
/// TCP.
pub const IPPROTO_TCP: u8 = 6;
/// UDP.
pub const IPPROTO_UDP: u8 = 17;

impl core::fmt::Debug for Addr {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(&IpAddr::from(*self), f)
    }
}
impl core::fmt::Debug for Be16 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(&self.get(), f)
    }
}
impl core::fmt::Debug for Be32 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(&Ipv4Addr::from(self.get()), f)
    }
}
