//! A change after which raft needs other members for its majority waits until the leader has heard, since it was asked,
//! from enough of them. A member that went a moment ago still counts as reachable: without it the one that is dismissed
//! may be needed, and with its vote it may be missed.

use std::time::Instant;

use model::RequestId;
use store::MemberChange;

use super::{
    disk::Disk,
    request::ProposeError,
    transport::Transport,
    waiting::ProposeReply,
    worker::{SILENT_AFTER, Worker},
};

/// A change of raft's members that somebody asks for.
pub(super) struct Asked {
    pub id: RequestId,
    /// Decided by the leader of this term.
    pub term: u64,
    pub change: MemberChange,
    /// The same for the state, encoded.
    pub entry: Vec<u8>,
    pub reply: ProposeReply,
}

/// Those that wait, and since when.
pub(super) type Held = Vec<(Instant, Asked)>;

impl<D: Disk, T: Transport> Worker<D, T> {
    pub(super) fn take_change(&mut self, asked: Asked) {
        self.held.push((Instant::now(), asked));
    }

    /// Begins those that can be carried out now, and gives up those that cannot for as long as a member may be silent.
    pub(super) fn look_at_held(&mut self) {
        for (since, asked) in std::mem::take(&mut self.held) {
            if self.heard_since(since).can_make(&asked.change) {
                self.waiting.change(&mut self.replica, asked);
            } else if since.elapsed() < SILENT_AFTER {
                self.held.push((since, asked));
            } else {
                let _ = asked.reply.send(Err(ProposeError::Unheard));
            }
        }
    }
}
