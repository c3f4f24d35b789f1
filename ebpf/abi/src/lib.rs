//! The border between the kernel programs and user space: map names and sizes, keys and values,
//! program names, drop reasons, the addresses and MACs that are fixed on every node.
//!
//! `no_std` and free of dependencies, so that `ebpf/progs` (the kernel side), `decide` (the pure
//! decisions), `plan` and `agent` (user space) see the same bytes. Every struct is `repr(C)`,
//! without implicit padding, with its size asserted at compile time. A change of any layout here
//! raises [`ABI_VERSION`]; pinned maps of another version are not reused.
//!
//! # Who writes what
//!
//! | map | writer | rule |
//! |---|---|---|
//! | `CONFIG`, `HOST_ADDR`, `PEER` | agent | before any program is attached |
//! | `PORT`, `DNS_CLIENT`, `ENDPOINT` | agent | before the container starts; removed after its link has gone |
//! | `BACKEND`, then `RING`, then `FRONTEND` | agent | written in this order, removed in the opposite one |
//! | `CT`, `REV`, `SNAT`, `FRAG`, `SOCK` | programs | user space may only delete |
//! | `STATS` | programs | user space only reads |
//!
//! # What a writer must keep true
//!
//! - A frontend's ring lies whole in `RING` and every owner in it is in `BACKEND` before the frontend names it. A ring
//!   is changed in slots that nobody reads, then the frontend's value is replaced: one atomic update.
//! - A published ring has the same number of slots and the same owners, slot by slot, on every node. When
//!   a slot moves, its owner becomes the latest of the earlier ones, until that one is gone. This is what keeps
//!   open connections through a change.
//! - A draining backend keeps its row (with the flag) as long as its task lives. When the row goes, its
//!   open connections are reset by the programs and its datagram flows move; no table needs sweeping.
//! - `HOST_ADDR` has the unicast addresses of the host except loopback and those of our own devices.
//!   `PEER` has every node, this one included.
//! - A virtual address without a live backend keeps its row with an empty ring: clients are refused at once.
//!   An address without a row is met with silence.
//! - `from_uplink` goes on Ethernet devices only, and on none of ours.
#![cfg_attr(not(feature = "user"), no_std)]

mod config;
mod endpoint;
mod flow;
mod hash;
mod name;
mod net;
mod service;
mod stats;
#[cfg(feature = "user")]
mod user;

pub use config::*;
pub use endpoint::*;
pub use flow::*;
pub use hash::*;
pub use name::*;
pub use net::*;
pub use service::*;
pub use stats::*;
#[cfg(feature = "user")]
pub use user::netns_cookie;

/// Version of every layout in this crate; part of the pin path (`v1`) and of [`Config`].
pub const ABI_VERSION: u32 = 1;
