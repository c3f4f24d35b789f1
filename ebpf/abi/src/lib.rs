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
//! | `CONFIG`, `HOST_ADDR`, `PEER`, `PORT`, `ENDPOINT`, `DNS_CLIENT` | agent | before traffic needs them |
//! | `BACKEND`, then `RING`, then `FRONTEND` | agent | written in this order, removed in the opposite one |
//! | `CT`, `REV`, `SNAT`, `FRAG`, `SOCK` | programs | user space only deletes (entries of dead backends) |
//! | `STATS` | programs | user space only reads |
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
