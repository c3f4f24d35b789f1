//! What a member keeps on disk: log, hard state, snapshot; one write per step of the replica. `redb` has the real disk,
//! `memory` one for tests.
//!
//! Called by the replica only, before anything that depends on it is sent or applied. A disk that is full is told apart
//! from one that fails: the first heals, the second ends the driver before anything is acknowledged.

use raft::eraftpb::{Entry, HardState, Snapshot};
use thiserror::Error;

/// What helps where a manager's disk cannot be read.
const WAY_OUT: &str = "if the swarm has other managers, let this node leave (netctl swarm leave --force) and join again; \
    if not, stop netd and put a copy of the data folder back";

/// The disk said no, or holds what this version cannot read.
#[derive(Debug, Error)]
pub enum DiskError {
    /// From the file system or redb.
    #[error("raft log: {0}")]
    Io(String),
    /// No space is left. Either all of the step is there or nothing of it; it may be repeated.
    #[error("no space is left for {file}")]
    Full {
        /// The file that would have to grow.
        file: String,
    },
    /// Written by another version.
    #[error("raft log {file} has format {found}, this version reads format {known}: upgrade netd on this manager")]
    Format {
        /// Which file.
        file: String,
        /// The number read.
        found: u64,
        /// The number known.
        known: u64,
    },
    /// A record that cannot be what was written.
    #[error("raft log {file} is damaged: {what}: {why}. Nothing was changed; {WAY_OUT}")]
    Broken {
        /// Which file.
        file: String,
        /// Which record.
        what: String,
        /// Why.
        why: String,
    },
    /// Nothing there.
    #[error("there is no raft log at {0}: {WAY_OUT}")]
    Missing(String),
}

impl DiskError {
    /// Whether it is only space that is missing.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }
}

/// All that is on disk.
#[derive(Clone, Debug, Default)]
pub struct Saved {
    /// Raft id of this member.
    pub(crate) member: u64,
    pub(crate) hard_state: HardState,
    /// Log position, membership and state from which the log goes on.
    pub(crate) snapshot: Snapshot,
    pub(crate) entries: Vec<Entry>,
}

impl Saved {
    /// Raft id of the member whose disk it is.
    pub fn member(&self) -> u64 {
        self.member
    }
}

/// One step's changes, written whole or not at all.
#[derive(Debug, Default)]
pub struct DiskWrite<'a> {
    pub(super) hard_state: Option<&'a HardState>,
    /// Replaces the snapshot; entries go, except those that `keep_from` keeps.
    pub(super) snapshot: Option<&'a Snapshot>,
    /// With a snapshot that was made here: entries from this index on stay.
    pub(super) keep_from: Option<u64>,
    /// Go to their indexes; what was there or behind is dropped.
    pub(super) entries: &'a [Entry],
}

/// Where a replica keeps what must survive. The seam for tests and simulations with failing disks.
pub trait Disk: Send + 'static {
    /// Reads everything, at start and after a disk that was full.
    fn load(&mut self) -> Result<Saved, DiskError>;
    /// Writes durably. When it returns an error, nothing of the step may be acknowledged; after [`DiskError::Full`] the
    /// disk may be loaded and written again.
    fn write(&mut self, write: &DiskWrite<'_>) -> Result<(), DiskError>;
}
