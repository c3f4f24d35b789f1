//! What a replica answers with.

use model::RequestId;
use protobuf::Message as _;
use raft::eraftpb::{Message, MessageType};
use store::{CodecError, Event, Refused, View};
use thiserror::Error;

use super::disk::DiskError;

/// Why a replica cannot go on. It must be dropped: nothing of the failed step was acknowledged.
#[derive(Debug, Error)]
pub enum ReplicaError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// An entry or snapshot cannot be read.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The raft crate refused its input or its storage.
    #[error("raft: {0}")]
    Raft(String),
}

pub(super) fn raft_error(why: impl std::fmt::Display) -> ReplicaError {
    ReplicaError::Raft(why.to_string())
}

/// Who leads, as far as this member knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Raft term.
    pub term: u64,
    /// Raft id of the leader; `None` if there is none.
    pub leader: Option<u64>,
    /// It is this member.
    pub leads: bool,
}

/// A message of another member, parsed but not believed: whoever takes it checks that the sender may speak for
/// [`Incoming::from`].
#[derive(Debug)]
pub struct Incoming(pub(super) Message);

impl Incoming {
    /// `None`: these bytes are no message.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut message = Message::default();
        message.merge_from_bytes(bytes).ok().map(|()| Self(message))
    }

    /// Raft id of the member that it says it comes from.
    pub fn from(&self) -> u64 {
        self.0.from
    }
}

/// What one [`Replica::advance`] did, in order.
#[derive(Debug)]
pub enum Effect {
    /// To be carried to another member.
    Send {
        /// Its raft id.
        to: u64,
        /// An encoded raft message.
        message: Vec<u8>,
        /// It carries the whole state: it may be large, and the replica must hear how it went
        /// ([`Replica::snapshot_ended`](super::Replica::snapshot_ended)).
        snapshot: bool,
    },
    /// A log entry was applied.
    Applied {
        /// Its index.
        index: u64,
        /// The request that it carried out.
        request: RequestId,
        /// What it touched, or why it changed nothing.
        outcome: Result<Vec<Event>, Refused>,
        /// The state with it.
        view: Box<View>,
    },
    /// The read with this id may be answered from the state as it is now.
    Readable(RequestId),
    /// The whole state was replaced by a leader's snapshot.
    Installed,
}

/// Adds messages to the effects, encoded.
pub(super) fn send(messages: Vec<Message>, effects: &mut Vec<Effect>) -> Result<(), ReplicaError> {
    for message in messages {
        effects.push(Effect::Send {
            to: message.to,
            snapshot: message.get_msg_type() == MessageType::MsgSnapshot,
            message: message.write_to_bytes().map_err(raft_error)?,
        });
    }
    Ok(())
}
