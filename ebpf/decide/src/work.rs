//! The facts of one packet, the room to decide in, and the verdict.
//!
//! `Work` is one per CPU in the kernel (a map value): keys are built in place there because the
//! stack is small. Filled by the parser, changed by the decisions, read by the actions.

use abi::{Addr, Be16, Be32, DropReason, EndpointKey, Flow, FlowKey, FragKey, FrontendKey, Mac, Tuple};

/// TCP flags byte: FIN.
pub(crate) const TCP_FIN: u8 = 1;
/// TCP flags byte: SYN.
pub(crate) const TCP_SYN: u8 = 2;
/// TCP flags byte: RST.
pub(crate) const TCP_RST: u8 = 4;
/// TCP flags byte: ACK.
pub(crate) const TCP_ACK: u8 = 16;

/// What stands behind the IP header.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Kind {
    /// No ports that we know: it can be delivered but not translated.
    #[default]
    Other = 0,
    /// TCP.
    Tcp = 1,
    /// UDP.
    Udp = 2,
    /// ICMP echo request; its identifier is the source port.
    EchoRequest = 3,
    /// ICMP echo reply; its identifier is the destination port.
    EchoReply = 4,
    /// ICMP error; the tuple is that of the flow it is about, in the direction the error travels.
    Error = 5,
}

/// Place of the packet in a fragmented datagram.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Fragment {
    /// Not fragmented.
    #[default]
    Whole = 0,
    /// The fragment with the ports.
    First = 1,
    /// A fragment without.
    Later = 2,
}

/// What the parser found. Offsets count from the start of the Ethernet header.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Packet {
    /// Addresses and ports; of an ICMP error, of the packet it quotes, reversed.
    pub tuple: Tuple,
    /// Source address of the IP header (differs from `tuple.src` only in an ICMP error).
    pub sender: Addr,
    /// See [`Kind`].
    pub kind: Kind,
    /// See [`Fragment`].
    pub fragment: Fragment,
    /// Length with all headers.
    pub len: u32,
    /// Offset of the layer 4 header.
    pub l4: u32,
    /// ICMP error: offset of the quoted layer 4 header.
    pub quoted_l4: u32,
    /// Destination MAC.
    pub dst_mac: Mac,
    /// Source MAC.
    pub src_mac: Mac,
    /// IP identification.
    pub id: Be16,
    /// TCP flags byte, else 0.
    pub tcp_flags: u8,
    /// Keeps the size free of implicit padding.
    pub reserved: u8,
}

impl Packet {
    /// Whether it is the first packet of a TCP connection.
    #[inline(always)]
    pub fn is_syn(&self) -> bool {
        self.kind == Kind::Tcp && self.tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST) == TCP_SYN
    }
    /// Whether ports are known and can be written.
    #[inline(always)]
    pub fn has_service_ports(&self) -> bool {
        let p = self.tuple.proto;
        p == abi::IPPROTO_TCP || p == abi::IPPROTO_UDP
    }
    /// Whether it may create state: it carries its ports and is no error about another packet.
    #[inline(always)]
    pub fn may_open(&self) -> bool {
        self.kind != Kind::Error && self.fragment != Fragment::Later
    }
    /// Whether a sender of ours gets a reset for it when it is dropped for `reason`: a service has nobody to
    /// serve it, or an open connection's other end has gone. A first packet to an address that nobody
    /// has is met with silence, for the endpoint may be about to appear.
    #[inline(always)]
    pub fn deserves_reset(&self, reason: DropReason) -> bool {
        if self.kind != Kind::Tcp || self.fragment != Fragment::Whole || self.tcp_flags & TCP_RST != 0 {
            return false;
        }
        match reason {
            DropReason::NoBackend | DropReason::BackendGone => true,
            DropReason::NoEndpoint => !self.is_syn(),
            _ => false,
        }
    }
    /// Whether it belongs to a TCP connection that must exist somewhere already.
    #[inline(always)]
    pub fn continues(&self) -> bool {
        self.kind == Kind::Error || (self.tuple.proto == abi::IPPROTO_TCP && !self.is_syn())
    }
}

/// Where the packet goes; which fields count depends on the [`Verdict`].
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Out {
    /// `Remote`, `MeshRequest`, `MeshReply`: the node.
    pub vtep: Addr,
    /// `Local`: host end of the veth.
    pub ifindex: u32,
    /// `Remote`: network.
    pub vni: u32,
    /// `MeshRequest`: ingress node, into the inner source MAC.
    pub ingress: Be32,
    /// `MeshRequest`: the slot's latest earlier owner or 0, into the inner destination MAC.
    pub previous: Be32,
    /// `MeshRequest` with `previous`: its place among the earlier owners, from 1.
    pub place: u32,
    /// `MeshRequest`: which hop it is, see `second_chance`.
    pub handed_on: u32,
    /// `Local`: destination MAC.
    pub mac: Mac,
    /// Keeps the size free of implicit padding.
    pub reserved: [u8; 2],
}

impl Out {
    /// Names the owner that the next node hands on to, and its place; (0, 0) for none.
    #[inline(always)]
    pub(crate) fn name(&mut self, previous: abi::Be32, place: u32) {
        self.previous = previous;
        self.place = place;
    }
}

/// What to do with the packet once it has been rewritten from `packet.tuple` to `to`.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Leave it alone.
    Pass = 1,
    /// Into the namespace behind a veth of this node.
    Local = 2,
    /// Through the tunnel in its own network.
    Remote = 3,
    /// Through the tunnel, a published flow towards its backend.
    MeshRequest = 4,
    /// Through the tunnel, a published flow back to its ingress node.
    MeshReply = 5,
    /// Up the host's own stack.
    Host = 6,
    /// Out of the uplink the routes name.
    Uplink = 7,
    /// Back into the namespace it came from, an echo request made its own reply.
    EchoBack = 8,
}

/// A verdict, or why the packet is dropped.
pub type Decision = Result<Verdict, DropReason>;

/// Room for one decision.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// The packet as it came.
    pub packet: Packet,
    /// The packet as it leaves; decisions apply one translation after the other to it.
    pub to: Tuple,
    /// Where it leaves.
    pub out: Out,
    /// Mesh requests from another node: ingress node (0 = this one), the owner to hand on to and its place, hop.
    pub via: Be32,
    /// See `via`.
    pub previous: Be32,
    /// See `via`.
    pub place: u32,
    /// See `via`.
    pub handed_on: u32,
    /// VNI of the task's network once a flow has been found or made.
    pub(crate) task_vni: u32,
    pub(crate) key: FlowKey,
    pub(crate) partner: FlowKey,
    pub(crate) flow: Flow,
    pub(crate) endpoint: EndpointKey,
    pub(crate) frontend: FrontendKey,
    pub(crate) frag: FragKey,
    pub(crate) addr: Addr,
}
