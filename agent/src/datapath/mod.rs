//! The kernel half of the node's network: maps, programs, and where they hang.
//!
//! The network actor is the only caller and the only writer of our maps. What is pinned below the BPF filesystem stays
//! when the daemon goes, so that forwarding continues; a new daemon adopts it.

mod attach;
mod bpf;
mod cgroup;
mod environment;
mod fake;
mod flows;
mod heap;
mod kernel;
mod maps;
mod netns;
mod ring;
mod stats;

use std::{io, path::PathBuf};

use plan::network::{Op, Tables};
use thiserror::Error;

pub use attach::Mode;
pub use environment::cgroup2_mount;
pub use fake::FakeDatapath;
pub use heap::keep_large_blocks_apart;
pub use kernel::KernelDatapath;
pub use netns::netns_cookie;

/// Named figures, as `DumpDatapath` shows them: `map FRONTEND`, `program from_uplink`, `drop no-backend`, ...
pub type Counts = Vec<(String, u64)>;

/// Where the datapath lives on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatapathPaths {
    /// Directory of this node on a BPF filesystem; pins go to `v1/` below it.
    pub bpffs: PathBuf,
    /// Directory of the cgroup2 tree whose processes may reach published ports by `localhost`. `None`: the root of the
    /// tree, if one is mounted; without one there are no socket hooks.
    pub cgroup: Option<PathBuf>,
}

/// The datapath could not do something.
#[derive(Debug, Error)]
pub enum DatapathError {
    /// The process may not load programs.
    #[error("netd may not load BPF programs: it lacks {missing}; run it as root")]
    Privileges {
        /// Names of the capabilities.
        missing: String,
    },
    /// The kernel is too old.
    #[error("kernel {0} is too old: netctl needs Linux 6.1 or later")]
    Kernel(String),
    /// No BPF filesystem.
    #[error("{path} is not on a BPF filesystem ({reason}): run `mount -t bpf bpf /sys/fs/bpf`, or give --bpffs")]
    NoBpffs {
        /// The directory that was given.
        path: PathBuf,
        /// What was tried.
        reason: String,
    },
    /// The kernel refused the object or one of its programs.
    #[error("the kernel refuses {what}: {reason}")]
    Load {
        /// The object or a program.
        what: String,
        /// The kernel's words, with the verifier's where there are any.
        reason: String,
    },
    /// A map is full.
    #[error("map {map} is full: {}", limit_advice(map))]
    Full {
        /// The map.
        map: &'static str,
    },
    /// A map operation failed.
    #[error("map {map}: {reason}")]
    Map {
        /// The map.
        map: &'static str,
        /// Why.
        reason: String,
    },
    /// A program could not be hung on or taken from a device.
    #[error("{program} on device {device}: {reason}")]
    Hook {
        /// The program.
        program: &'static str,
        /// Name or index of the device.
        device: String,
        /// Why.
        reason: String,
    },
    /// A pin could not be read, made or removed.
    #[error("{path}: {source}")]
    Pin {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn limit_advice(map: &str) -> &'static str {
    match map {
        abi::map::PORT | abi::map::DNS_CLIENT => "this node has too many local endpoints; move tasks to other nodes",
        abi::map::PEER => "the cluster has more nodes than this version carries",
        abi::map::HOST_ADDR => "this host has more addresses than this version carries",
        _ => "the networks of this node have too many services or tasks; spread them over more networks",
    }
}

impl DatapathError {
    /// Whether the rest of a plan can go on: a device that has just vanished concerns nobody else.
    pub fn is_about_a_device(&self) -> bool {
        matches!(self, Self::Hook { .. })
    }
}

/// The kernel's tables and hooks of one node.
pub trait Datapath {
    /// What is there now.
    fn dump(&mut self) -> Result<Tables, DatapathError>;
    /// Does one step. [`Op::DeleteLink`] is none of this trait's.
    fn apply(&mut self, op: &Op) -> Result<(), DatapathError>;
    /// Rows per map, programs per hook, packets by event and by drop reason.
    fn counts(&mut self) -> Result<Counts, DatapathError>;
    /// Takes away every hook, pin and map. The datapath is of no use afterwards.
    fn detach_all(&mut self) -> Result<(), DatapathError>;
}
