//! How requests to raft end.

use std::time::Duration;

use store::{CodecError, Refused, View};
use thiserror::Error;

/// Requests that may wait for an answer at a time.
pub(super) const MAX_WAITING: usize = 65_536;

const NO_LEADER: &str = "The swarm does not have a leader. It's possible that too few managers are online. Make sure more than half of the managers are online.";

/// A command that was carried out.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Its index in the log.
    pub index: u64,
    /// The state right after it (or later).
    pub view: View,
}

/// A command that was not carried out, or of which nobody can say.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProposeError {
    /// The state did not take it. Nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// No leader within the time. It may still be carried out later; repeat it with the same request id.
    #[error("{NO_LEADER}")]
    NoLeader,
    /// A leader, but no answer within the time. It may still be carried out; repeat it with the same request id.
    #[error("The swarm's managers did not agree within {0:?}: context deadline exceeded")]
    Deadline(Duration),
    /// There is no space to write it down. If a part of the managers has it already it may still be carried out; repeat
    /// it with the same request id.
    #[error(
        "the disk of manager {manager} is full: no space is left for {file}. Free some there: the manager goes on by itself, and nothing that was acknowledged is lost"
    )]
    DiskFull {
        /// Host name.
        manager: String,
        /// What would have to grow.
        file: String,
    },
    /// It was decided under another leader, or it is a change of raft's members while another one was under way.
    #[error("the managers' membership or leader changed at the same time: try again")]
    Superseded,
    /// A member cannot be spared or get its vote: of those that there would be too few have been heard since.
    #[error("too few of the managers that there would be then answer: a majority of them must be up")]
    Unheard,
    /// It would hold up the managers, or never reach them.
    #[error(
        "this change of the cluster takes {bytes} bytes, and one may take {limit}: make it smaller, or do it in several steps; large texts belong into configs"
    )]
    TooLarge {
        /// Of the log entry.
        bytes: usize,
        /// The most that are taken.
        limit: usize,
    },
    /// Too many requests wait.
    #[error("this manager has {MAX_WAITING} requests waiting: try again")]
    Busy,
    /// This manager is being stopped, or its disk failed.
    #[error("this manager is stopping")]
    Stopped,
    /// It has no bytes.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// A read that cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// No leader within the time.
    #[error("{NO_LEADER}")]
    NoLeader,
    /// A leader, but no answer of it within the time.
    #[error(
        "The swarm has a leader, but this manager heard no answer of it within {0:?}: context deadline exceeded. Look at the network between the managers and at the leader's disk"
    )]
    Deadline(Duration),
    /// Too many requests wait.
    #[error("this manager has {MAX_WAITING} reads waiting: try again")]
    Busy,
    /// This manager takes no part while its disk is full; another one answers.
    #[error(
        "the disk of manager {manager} is full: no space is left for {file}. Free some there: the manager goes on by itself, and nothing that was acknowledged is lost"
    )]
    DiskFull {
        /// Host name.
        manager: String,
        /// What would have to grow.
        file: String,
    },
    /// This manager is being stopped, or its disk failed.
    #[error("this manager is stopping")]
    Stopped,
}
