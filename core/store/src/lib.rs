//! The cluster's state and the only way to change it: `State::apply`, fed with committed log entries.
//!
//! Pure: the same entries give the same state on every manager. A `Command` carries every time, id and allocated value;
//! `apply` checks them again, because the view that they were decided on may be old by then, and refuses as a whole what
//! does not hold any more. Cloning a [`State`] copies two pointers, and its first change then a few per table: a clone is the read snapshot, [`View`].

mod apply;
mod change;
mod codec;
mod command;
mod event;
#[cfg(test)]
mod fixture;
mod index;
mod reading;
mod refused;
mod rest;
mod shared;
mod state;
mod tables;
mod tokens;

pub use apply::Given;
pub use change::{Action, Change, Object, TaskFacts, changes};
pub use codec::{CodecError, ENTRY_FORMAT, SNAPSHOT_FORMAT};
pub use command::{
    Command, Entry, Hidden, MemberChange, MemberStep, NewNetwork, NewPayload, NewService, PayloadLabels,
    PayloadRotation, Rollback, RollbackCause, RunStep, ServiceChange, StatusReport, TaskOp,
};
pub use event::Event;
pub use index::{AddressOwner, Reserved};
pub use refused::{Kind, Refused};
pub use state::{REMEMBERED_REQUESTS, State, View};
pub use tokens::{MAX_LIMITED_TOKENS, TokenStep};
