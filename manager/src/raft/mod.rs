//! Consensus: crate `raft` behind types of our own.
//!
//! - `disk`: what must survive a cut at any byte; `redb`: in one file, every row sealed.
//! - `log`: the same in memory, as the raft crate reads it.
//! - `replica`: one member as a plain state machine without thread, clock or socket: persist, send, apply, in that order.
//! - `apply`: how it carries out what is committed.
//! - `members`: changes of the membership, which go into the log with the command that writes them into the state.
//! - `sole`: a member that goes on as the only one.
//! - `driver`, `worker`, `waiting`: the thread that owns the replica; requests with ids and deadlines in, published views
//!   out.
//! - `pulse`: whether that thread goes on.
//! - `transport`: how messages get to other members.
//!
//! No type of the raft crate leaves this folder; messages and entries travel as bytes.

mod apply;
mod begin;
mod disk;
mod driver;
mod effect;
mod full;
mod held;
mod history;
mod log;
mod members;
mod memory;
mod pulse;
mod redb;
mod replica;
mod request;
mod sole;
mod transport;
mod waiting;
mod worker;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use disk::{Disk, DiskError, DiskWrite, Saved};
pub use driver::{Changed, Driver, News, Published};
pub use effect::{Effect, Incoming, ReplicaError, Standing};
pub use history::{Changes, Compacted, History};
pub use memory::{DiskFault, MemoryDisk};
pub use redb::{RedbDisk, SimulatedDisk, read_entry_row, seal_entry_row};
pub use replica::Replica;
pub use request::{Applied, ProposeError, ReadError};
pub use sole::begin_again;
pub use transport::{Introduction, Outbound, PeerChannels, Transport};
pub use worker::{SILENT_AFTER, TICK};
