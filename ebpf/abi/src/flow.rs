//! State that the programs keep: `CT`, `REV` and `SNAT` (one record shape), `FRAG`, `SOCK`.
//!
//! - `CT`: a flow as the client sends it -> what its packets become. Scope: VNI of the client's network
//!   for virtual addresses and egress; [`crate::VNI_MESH_REQUEST`] for published ports, with the ingress node in `via`.
//! - `REV`: the answer as the task sends it (scope: VNI of the task's network) -> what it becomes.
//! - `SNAT`: the answer from the world to a masqueraded flow (scope 0) -> what it becomes.
//!
//! All are LRU. User space may delete the entries of a backend that has died ([`Flow::backend`]).

use crate::{Addr, Be16, Be32};

/// Addresses and ports of a packet. For ICMP echo the identifier stands on the asking side's port
/// and the other port is 0.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Tuple {
    /// Source address.
    pub src: Addr,
    /// Destination address.
    pub dst: Addr,
    /// Source port.
    pub sport: Be16,
    /// Destination port.
    pub dport: Be16,
    /// IP protocol.
    pub proto: u8,
    /// Must be zero.
    pub reserved: [u8; 3],
}
const _: () = assert!(size_of::<Tuple>() == 40);

impl Tuple {
    /// The same flow in the other direction.
    #[inline(always)]
    pub const fn reversed(&self) -> Self {
        Self {
            src: self.dst,
            dst: self.src,
            sport: self.dport,
            dport: self.sport,
            proto: self.proto,
            reserved: [0; 3],
        }
    }
}

/// Key of `CT`, `REV` and `SNAT`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FlowKey {
    /// The packet's tuple.
    pub tuple: Tuple,
    /// Where the tuple is unique; see the module.
    pub scope: u32,
    /// `CT` of published flows: tunnel endpoint of the ingress node, 0 = this one. Else 0.
    pub via: Be32,
}
const _: () = assert!(size_of::<FlowKey>() == 48);

/// [`Flow::kind`]: a virtual address.
pub const FLOW_VIRTUAL: u8 = 1;
/// [`Flow::kind`]: a published port.
pub const FLOW_PUBLISHED: u8 = 2;
/// [`Flow::kind`]: a container's way to the world or to its node.
pub const FLOW_EGRESS: u8 = 3;

/// [`Flow::state`]: the client has sent FIN.
pub const STATE_FIN_CLIENT: u8 = 1;
/// [`Flow::state`]: the backend has sent FIN.
pub const STATE_FIN_SERVER: u8 = 2;
/// [`Flow::state`]: one side has sent RST.
pub const STATE_RST: u8 = 4;

/// Value of `CT`, `REV` and `SNAT`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Flow {
    /// What a packet of this direction becomes.
    pub to: Tuple,
    /// Backend id; 0 for egress.
    pub backend: u32,
    /// Scope of the flow's record in the other direction (`CT` <-> `REV`, `CT` <-> `SNAT`), whose key
    /// is `to` reversed, this and `via`. In `CT` it is also the VNI of the task's network.
    pub scope: u32,
    /// The other record's `via`; in `REV` of a published flow the tunnel endpoint of the ingress node, 0 = this one.
    pub via: Be32,
    /// Last use, in units of 2^30 ns of the kernel's monotonic clock, at most 16 units late.
    pub stamp: u32,
    /// `FLOW_*`.
    pub kind: u8,
    /// `STATE_*` bits.
    pub state: u8,
    /// Must be zero.
    pub reserved: [u8; 2],
}
const _: () = assert!(size_of::<Flow>() == 60);

impl Flow {
    /// Whether the connection has ended: both sides have closed or one has reset it.
    #[inline(always)]
    pub const fn is_closed(&self) -> bool {
        let both = STATE_FIN_CLIENT | STATE_FIN_SERVER;
        self.state & STATE_RST != 0 || self.state & both == both
    }
}

/// Key of `FRAG`: what the fragments of one datagram share.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FragKey {
    /// Source address.
    pub src: Addr,
    /// Destination address.
    pub dst: Addr,
    /// VNI, or 0 for uplinks and the host.
    pub scope: u32,
    /// Sending node for mesh traffic, else 0.
    pub via: Be32,
    /// IP identification.
    pub id: Be16,
    /// IP protocol.
    pub proto: u8,
    /// Must be zero.
    pub reserved: u8,
}
const _: () = assert!(size_of::<FragKey>() == 44);

/// Value of `FRAG`: the ports of the first fragment.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FragPorts {
    /// Source port.
    pub sport: Be16,
    /// Destination port.
    pub dport: Be16,
}
const _: () = assert!(size_of::<FragPorts>() == 4);

/// Key of `SOCK`: a socket of the host that the hooks have sent to the host gateway.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SockKey {
    /// Kernel's socket cookie.
    pub cookie: u64,
    /// Published port.
    pub port: Be16,
    /// Must be zero.
    pub reserved: [u8; 6],
}
const _: () = assert!(size_of::<SockKey>() == 16);
