//! Who is where: `PORT` (a host veth's index to the endpoint behind it), `ENDPOINT` (an address of a
//! network to its node), `DNS_CLIENT` (the endpoint behind a resolver-side address), `PEER` and
//! `HOST_ADDR` (sets of addresses). All written by the agent; the programs only read.

use crate::{Addr, Mac};

/// [`Port::flags`]: this endpoint carries the container's default route, so it may reach the world.
pub const PORT_GATEWAY: u16 = 1;
/// [`Port::flags`]: endpoint of an internal network: no way out.
pub const PORT_INTERNAL: u16 = 2;
/// [`Port::flags`], [`Endpoint::flags`]: endpoint on the ingress network: other endpoints are out of reach.
pub const PORT_INGRESS_ONLY: u16 = 4;

/// Value of `PORT`, keyed by ifindex (u32): that of the host end of a container's veth, or that of a device that leads out
/// of the node, of which the address alone counts: the source of containers' packets that leave by it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Port {
    /// The endpoint's address: the only source allowed.
    pub addr: Addr,
    /// VNI of the network.
    pub vni: u32,
    /// Local index: 1 to [`DNS_CLIENT_MAX`] - 1, unique on the node, key of `DNS_CLIENT`.
    pub index: u32,
    /// The endpoint's MAC: the only source allowed.
    pub mac: Mac,
    /// `PORT_*` bits.
    pub flags: u16,
    /// Prefix length of the network's subnet within the 16 bytes (an IPv4 /24 is 120): an address of
    /// the subnet that nobody has is refused and not sent to the world.
    pub prefix: u8,
    /// Must be zero.
    pub reserved: [u8; 3],
}
const _: () = assert!(size_of::<Port>() == 36);

/// Key of `ENDPOINT`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EndpointKey {
    /// VNI of the network.
    pub vni: u32,
    /// Address within the network.
    pub addr: Addr,
}
const _: () = assert!(size_of::<EndpointKey>() == 20);

/// Value of `ENDPOINT`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Endpoint {
    /// Tunnel endpoint of the node that has it (the own one for a local endpoint).
    pub vtep: Addr,
    /// Host end of its veth when it is on this node, else 0.
    pub ifindex: u32,
    /// Local endpoints: id of the container's network namespace as this namespace sees it
    /// (`IFLA_LINK_NETNSID` of the host veth) plus one; 0 = not known. Used for the second chance of
    /// flows whose backend has moved; without it a connection-tracking test takes its place.
    pub netns: u32,
    /// Its MAC (local endpoints; remote ones may leave it zero).
    pub mac: Mac,
    /// `PORT_*` bits.
    pub flags: u16,
}
const _: () = assert!(size_of::<Endpoint>() == 32);

/// Value of `DNS_CLIENT`, an array by local index; `ifindex` 0 = none.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DnsClient {
    /// The endpoint's address.
    pub addr: Addr,
    /// VNI of its network.
    pub vni: u32,
    /// Host end of its veth.
    pub ifindex: u32,
    /// Its MAC.
    pub mac: Mac,
    /// Must be zero.
    pub reserved: [u8; 2],
}
const _: () = assert!(size_of::<DnsClient>() == 32);

/// Value of `PEER` (keyed by the [`Addr`] of a node's tunnel endpoint): no bits are defined yet.
pub type PeerFlags = u32;
/// Value of `HOST_ADDR` (keyed by an own [`Addr`]; loopback is not listed): no bits are defined yet.
pub type HostAddrFlags = u32;
