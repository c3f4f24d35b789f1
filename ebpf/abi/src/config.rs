//! `CONFIG`: what the programs must know about their node. One row, written by the agent before it
//! attaches anything and replaced whole when something changes.

use crate::{Addr, Be16, Mac};

/// Value of `CONFIG[0]`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Config {
    /// [`crate::ABI_VERSION`] of the writer; zero (never written) makes the programs pass or drop everything.
    pub abi_version: u32,
    /// Ifindex of `ntl-vx0`.
    pub vx_ifindex: u32,
    /// Ifindex of `ntl-host`, the addressed end. Its `forwarding` sysctl must be 1: route lookups for
    /// packets that leave the node are made as if they had come in there.
    pub host_ifindex: u32,
    /// Ifindex of `ntl-hostp`, the end with `from_host`.
    pub hostp_ifindex: u32,
    /// The node's own tunnel endpoint (advertise address); never moves while the node is in the cluster.
    pub vtep: Addr,
    /// Source of traffic from containers to own addresses, and to the world where the way out has no row in `PORT`.
    pub snat_addr: Addr,
    /// Cookie of the node's network namespace; the socket hooks act only there.
    pub netns_cookie: u64,
    /// First source port of masqueraded traffic, host order.
    pub snat_port_min: u16,
    /// Last source port of masqueraded traffic, host order, inclusive.
    pub snat_port_max: u16,
    /// VXLAN port of the cluster.
    pub data_port: Be16,
    /// MAC of `ntl-host`.
    pub host_mac: Mac,
    /// Ifindex of `ntl-dns`, the host end of the resolver's pair.
    pub resolver_ifindex: u32,
}
const _: () = assert!(size_of::<Config>() == 72);

/// First port of egress source NAT.
pub const SNAT_PORT_MIN: u16 = 61000;
/// Last port of egress source NAT, inclusive.
pub const SNAT_PORT_MAX: u16 = 65535;
