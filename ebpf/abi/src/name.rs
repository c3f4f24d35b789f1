//! Names and sizes of maps, names of programs. The agent finds pins and programs by these.

/// Map names, which are the pin names below `<bpffs>/v1/maps/`.
pub mod map {
    /// Array of one [`crate::Config`].
    pub const CONFIG: &str = "CONFIG";
    /// Hash of own addresses.
    pub const HOST_ADDR: &str = "HOST_ADDR";
    /// Hash of the nodes' tunnel endpoints, the own one included.
    pub const PEER: &str = "PEER";
    /// Hash: ifindex to [`crate::Port`].
    pub const PORT: &str = "PORT";
    /// Hash: [`crate::EndpointKey`] to [`crate::Endpoint`].
    pub const ENDPOINT: &str = "ENDPOINT";
    /// Array: local index to [`crate::DnsClient`].
    pub const DNS_CLIENT: &str = "DNS_CLIENT";
    /// Hash: [`crate::FrontendKey`] to [`crate::Frontend`].
    pub const FRONTEND: &str = "FRONTEND";
    /// Array of [`crate::Slot`], can be mapped into memory.
    pub const RING: &str = "RING";
    /// Hash: backend id to [`crate::Backend`].
    pub const BACKEND: &str = "BACKEND";
    /// LRU: forward flows.
    pub const CT: &str = "CT";
    /// LRU: undo records of answers.
    pub const REV: &str = "REV";
    /// LRU: answers from the world.
    pub const SNAT: &str = "SNAT";
    /// LRU: ports of first fragments.
    pub const FRAG: &str = "FRAG";
    /// LRU: what a host socket dialled.
    pub const SOCK: &str = "SOCK";
    /// Per-CPU array of [`crate::Tally`], by [`crate::DropReason`] and [`crate::Event`].
    pub const STATS: &str = "STATS";

    /// Every map that is pinned.
    pub const PINNED: [&str; 15] = [
        CONFIG, HOST_ADDR, PEER, PORT, ENDPOINT, DNS_CLIENT, FRONTEND, RING, BACKEND, CT, REV, SNAT, FRAG, SOCK, STATS,
    ];
}

/// Entries of `HOST_ADDR`.
pub const HOST_ADDR_MAX: u32 = 4096;
/// Entries of `PEER`.
pub const PEER_MAX: u32 = 16384;
/// Entries of `PORT`.
pub const PORT_MAX: u32 = 16384;
/// Entries of `ENDPOINT`.
pub const ENDPOINT_MAX: u32 = 262_144;
/// Entries of `DNS_CLIENT`; local indexes are 1 to this minus one.
pub const DNS_CLIENT_MAX: u32 = 16384;
/// Entries of `FRONTEND`.
pub const FRONTEND_MAX: u32 = 65536;
/// Slots of `RING`.
pub const RING_MAX: u32 = 1 << 19;
/// Entries of `BACKEND`.
pub const BACKEND_MAX: u32 = 262_144;
/// Entries of `CT` and of `REV`.
pub const CT_MAX: u32 = 131_072;
/// Entries of `SNAT`.
pub const SNAT_MAX: u32 = 65536;
/// Entries of `FRAG`.
pub const FRAG_MAX: u32 = 8192;
/// Entries of `SOCK`.
pub const SOCK_MAX: u32 = 16384;

/// Program names in the object.
pub mod program {
    /// tc ingress of the host end of each container veth.
    pub const FROM_CONTAINER: &str = "from_container";
    /// tc ingress of `ntl-vx0`.
    pub const FROM_OVERLAY: &str = "from_overlay";
    /// tc ingress of each addressed Ethernet device of the host that is not ours.
    pub const FROM_UPLINK: &str = "from_uplink";
    /// tc ingress of `ntl-hostp` and of `ntl-dns`.
    pub const FROM_HOST: &str = "from_host";
    /// cgroup connect4.
    pub const CONNECT4: &str = "connect4";
    /// cgroup sendmsg4.
    pub const SENDMSG4: &str = "sendmsg4";
    /// cgroup recvmsg4.
    pub const RECVMSG4: &str = "recvmsg4";
    /// cgroup getpeername4.
    pub const GETPEERNAME4: &str = "getpeername4";
}
