//! What happens to a packet: scalars and table lookups in, verdict out.
//!
//! Called by the programs in `ebpf/progs` after parsing and before acting, and by the tests on the
//! host with tables in memory: the same code. `no_std`, no packet access, no helper calls. What must
//! stay true: no function here keeps a struct larger than a few words on the stack (the kernel allows 512 bytes
//! for a whole program), so that everything of size lives in [`Work`], one per CPU.
//!
//! ```text
//! from_container -> own source? -> DNS -> answer of a translated flow -> virtual address -> endpoint -> world
//! from_overlay   -> known peer? -> mesh request | mesh reply | network: undo translation -> endpoint
//! from_uplink    -> own address? -> answer from the world -> published port -> leave alone
//! from_host      -> DNS answer | answer to a container | published port
//! ```
#![cfg_attr(not(test), no_std)]

mod arp;
mod container;
mod deliver;
mod egress;
mod fragment;
mod host;
mod overlay;
mod probe;
mod published;
mod second_chance;
mod service;
mod socket;
mod tables;
#[cfg(test)]
mod testing;
mod track;
mod uplink;
mod work;

pub use arp::{ArpRequest, arp_target_is_answered};
pub use container::from_container;
pub use fragment::{remember_ports, restore_ports};
pub use host::from_host;
pub use overlay::from_overlay;
pub use probe::{is_probe, probe};
pub use socket::{SocketVerdict, outgoing_socket};
pub use tables::{Created, Table, Tables};
pub use uplink::from_uplink;
pub use work::{Decision, Fragment, Kind, Out, Packet, Verdict, Work};
