//! Services: `FRONTEND` (a virtual or published address) to a stretch of `RING` to `BACKEND`.
//!
//! Written back to front and removed front to back, so that a packet never meets a frontend without
//! its ring or a slot without its backend. A ring is changed by writing a fresh one into free slots and then
//! replacing the frontend's value, which is one atomic update. Weights are shares of the ring.

use crate::{Addr, Be16};

/// [`FrontendKey::scope`] of published ports.
pub const SCOPE_PUBLISHED: u32 = 0;

/// Key of `FRONTEND`. A virtual address has one row, with port and protocol 0: it serves every TCP and
/// UDP port and answers ping.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FrontendKey {
    /// VNI for a virtual address, [`SCOPE_PUBLISHED`] for a published port.
    pub scope: u32,
    /// The virtual address; [`Addr::NONE`] for a published port (any address of the node).
    pub addr: Addr,
    /// Published port; 0 for a virtual address.
    pub port: Be16,
    /// IP protocol of the published port; 0 for a virtual address.
    pub proto: u8,
    /// Must be zero.
    pub reserved: u8,
}
const _: () = assert!(size_of::<FrontendKey>() == 24);

/// [`Frontend::flags`]: a listener of this host holds the published port, so packets and sockets of
/// this node are left alone; requests that other nodes forward are still served.
pub const FRONTEND_HELD: u32 = 1;

/// Value of `FRONTEND`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Frontend {
    /// First slot in `RING`.
    pub ring_base: u32,
    /// Number of slots; 0 = no backend. For published ports the same on every node.
    pub ring_slots: u32,
    /// The agent's number for the service (for events and figures).
    pub service: u32,
    /// `FRONTEND_*` bits.
    pub flags: u32,
}
const _: () = assert!(size_of::<Frontend>() == 16);

/// One slot of `RING`: the backend that gets new flows, and earlier owners, the latest first, which
/// may still have open ones. Ids of `BACKEND`; 0 = none.
///
/// A published ring must name the same owners slot by slot on every node.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Slot {
    /// Backend of new flows.
    pub owner: u32,
    /// Backends that had the slot before, until they are gone; of more than fit, those on a node that is
    /// named anyway go first, since a node finds all its open flows by itself.
    pub earlier: [u32; 3],
}
const _: () = assert!(size_of::<Slot>() == 16);

/// [`Backend::flags`]: gets no new flows and keeps the old ones.
pub const BACKEND_DRAINING: u32 = 1;

/// Value of `BACKEND`, keyed by an id (u32, from 1). An id may be given anew: flows remember address, port
/// and network beside it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Backend {
    /// Address of the task's endpoint (for a published port: of its gateway endpoint).
    pub addr: Addr,
    /// Tunnel endpoint of the node that runs it.
    pub vtep: Addr,
    /// VNI of that endpoint's network.
    pub vni: u32,
    /// `BACKEND_*` bits.
    pub flags: u32,
    /// Port the task listens on; 0 = the one that the client asked for.
    pub port: Be16,
    /// IP protocol; 0 = the client's.
    pub proto: u8,
    /// Must be zero.
    pub reserved: u8,
}
const _: () = assert!(size_of::<Backend>() == 44);
