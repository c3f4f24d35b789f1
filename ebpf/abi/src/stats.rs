//! What is counted: every drop has a number, every way a packet can take has one too.
//!
//! `STATS` is a per-CPU array: drop reasons at their numbers, events from [`EVENT_BASE`]. Numbers
//! are never reused for another meaning.

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])+ $variant:ident = $n:literal $word:literal,)+ }) => {
        $(#[$doc])*
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])+ $variant = $n,)+ }
        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The word that users see.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

numbered! {
    /// Why a packet was dropped.
    DropReason {
        /// Shorter than its headers say, or a header that cannot be.
        Malformed = 1 "malformed",
        /// Neither IPv4 nor ARP.
        UnknownEthertype = 2 "unknown-ethertype",
        /// IPv6 is not carried yet.
        Ipv6 = 3 "ipv6",
        /// Source address of a container is not its own.
        SpoofedSource = 4 "spoofed-source",
        /// Source MAC of a container is not its own.
        SpoofedMac = 5 "spoofed-mac",
        /// The veth is in no `PORT` row.
        UnknownPort = 6 "unknown-port",
        /// `CONFIG` is missing or of another version.
        NoConfig = 7 "no-config",
        /// An address of the network that nobody has.
        NoEndpoint = 8 "no-endpoint",
        /// Endpoints of the ingress network do not reach each other.
        IngressIsolated = 9 "ingress-isolated",
        /// This endpoint does not carry the default route.
        NotGateway = 10 "not-gateway",
        /// The network is internal.
        Internal = 11 "internal-network",
        /// Tunnel source is no node of the cluster.
        UnknownPeer = 12 "unknown-peer",
        /// Inner source does not live on the node that sent the frame.
        SenderMismatch = 13 "sender-mismatch",
        /// Frame without a tunnel key.
        NoTunnelKey = 14 "no-tunnel-key",
        /// The service has no backend for new flows.
        NoBackend = 15 "no-backend",
        /// The flow's backend is gone.
        BackendGone = 16 "backend-gone",
        /// No free source port towards the task.
        CollisionExhausted = 17 "collision-exhausted",
        /// No free source port towards the world.
        SnatExhausted = 18 "snat-exhausted",
        /// A container or host process wrote to the data port of a node.
        ForgedTunnel = 19 "forged-tunnel",
        /// A later fragment whose first has not been seen.
        FragmentUnknown = 20 "fragment-unknown",
        /// An ICMP error about no flow of ours.
        IcmpUnrelated = 21 "icmp-unrelated",
        /// No route.
        NoRoute = 22 "no-route",
        /// Larger than the way out allows.
        TooBig = 23 "too-big",
        /// Protocol that cannot be translated.
        Protocol = 24 "protocol",
        /// Mesh request for a port that is not published.
        UnknownFrontend = 25 "unknown-frontend",
        /// Mesh request for a backend that no node claims.
        NoLocalBackend = 26 "no-local-backend",
        /// Broadcast or multicast.
        Multicast = 27 "multicast",
        /// A kernel helper refused.
        Helper = 28 "helper-failed",
        /// ARP that a container must not send.
        SpoofedArp = 29 "spoofed-arp",
        /// Address of the node-internal range that serves nothing.
        LinkLocal = 30 "link-local",
        /// A map is full.
        TableFull = 31 "table-full",
    }
}

numbered! {
    /// What happened to a packet that was not dropped; indexes of `STATS` from [`EVENT_BASE`].
    Event {
        /// Left alone.
        Passed = 0 "passed",
        /// ARP request answered.
        ArpAnswered = 1 "arp-answered",
        /// Delivered to an endpoint of this node.
        Local = 2 "local",
        /// Sent to another node.
        Remote = 3 "remote",
        /// Published traffic carried to the backend's node.
        MeshRequest = 4 "mesh-request",
        /// Its answer carried to the ingress node.
        MeshReply = 5 "mesh-reply",
        /// Handed to the host's own stack.
        Host = 6 "host",
        /// Sent out of an uplink.
        Uplink = 7 "uplink",
        /// DNS query to the resolver, or its answer.
        Dns = 8 "dns",
        /// A flow was created (counted beside the packet's own event).
        NewFlow = 9 "new-flow",
        /// A flow's source port was changed since the task-side tuple was taken (counted beside).
        PortRemapped = 10 "port-remapped",
        /// A task reached itself through its service (counted beside).
        Hairpin = 11 "hairpin",
        /// Handed on towards one of the slot's earlier owners (counted beside).
        SecondChance = 12 "second-chance",
        /// An ICMP error was translated (counted beside).
        IcmpTranslated = 13 "icmp-translated",
        /// A later fragment was translated (counted beside).
        Fragment = 14 "fragment",
        /// The hooks sent a host socket to a published port.
        SocketRedirected = 15 "socket-redirected",
        /// A ping of a virtual address was answered.
        EchoAnswered = 16 "echo-answered",
        /// A TCP packet that could not be delivered was answered with a reset (counted beside the drop).
        ResetSent = 17 "reset-sent",
    }
}

/// Index of the first [`Event`] in `STATS`; drop reasons lie below.
pub const EVENT_BASE: u32 = 64;
/// Entries of `STATS`.
pub const STATS_MAX: u32 = 128;

/// Value of `STATS` (one per CPU).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Tally {
    /// Packets.
    pub packets: u64,
    /// Bytes, Ethernet header included.
    pub bytes: u64,
}
const _: () = assert!(size_of::<Tally>() == 16);
