//! Raft's membership: a change travels in the log together with the command that writes it into the state, and both are
//! carried out at the same index or neither. So a node has a raft id in the state exactly as long as raft has the member.

use control::Members;
use protobuf::Message as _;
use raft::{
    INVALID_ID, StateRole,
    eraftpb::{ConfChange, ConfChangeType, Entry as LogEntry, EntryType, Message},
};
use store::{Entry, MemberChange, MemberStep};

use super::{
    disk::{Disk, DiskWrite},
    effect::{Effect, ReplicaError, raft_error, send},
    replica::Replica,
};

/// Entries that a member may lag behind what is committed and still count as caught up.
const CAUGHT_UP_WITHIN: u64 = 64;

impl<D: Disk> Replica<D> {
    /// Raft's members. Who is reachable only messages tell: the driver fills that in.
    pub fn members(&self) -> Members {
        let raft = &self.node.raft;
        let state = raft.prs().conf().to_conf_state();
        let nearly = raft.raft_log.committed.saturating_sub(CAUGHT_UP_WITHIN);
        let caught_up = raft
            .prs()
            .iter()
            .filter(|(_, progress)| progress.matched >= nearly.max(1));
        Members {
            own: raft.id,
            voters: state.voters.iter().copied().collect(),
            learners: state.learners.iter().copied().collect(),
            reachable: [raft.id].into(),
            caught_up: caught_up.map(|(id, _)| *id).collect(),
        }
    }

    /// Asks for a change of the membership with `entry`, the encoded command that says the same to the state. Not taken
    /// (`false`) unless this member leads in `term` and no other change is under way: it was decided on what that leader
    /// knows, and nobody else may carry it out later.
    pub fn change_members(&mut self, term: u64, change: &MemberChange, entry: Vec<u8>) -> bool {
        let standing = self.standing();
        let waits = self.node.raft.has_pending_conf();
        #[cfg(feature = "planted")]
        let waits = waits && !planted::is(planted::Bug::ChangesOverlap);
        if !standing.leads || standing.term != term || waits {
            return false;
        }
        let mut asked = ConfChange {
            node_id: change.raft_id,
            ..ConfChange::default()
        };
        asked.set_change_type(match change.step {
            MemberStep::Learn => ConfChangeType::AddLearnerNode,
            MemberStep::Vote => ConfChangeType::AddNode,
            MemberStep::Leave => ConfChangeType::RemoveNode,
        });
        self.node.propose_conf_change(entry, asked).is_ok()
    }

    /// Asks a voter to lead instead of this member. It does once it has the whole log; if it does not come to that
    /// within an election timeout, this member goes on.
    pub fn hand_over(&mut self, to: u64) {
        self.node.transfer_leader(to);
    }

    /// Carries out a committed change. That it is committed is written first: a member that restarts must not count votes
    /// by a membership that is no more.
    pub(super) fn apply_member_change(
        &mut self,
        entry: &LogEntry,
        effects: &mut Vec<Effect>,
    ) -> Result<(), ReplicaError> {
        let mut hard_state = self.node.store().hard_state.clone();
        hard_state.commit = hard_state.commit.max(entry.index);
        self.disk.write(&DiskWrite {
            hard_state: Some(&hard_state),
            ..DiskWrite::default()
        })?;
        if entry.get_entry_type() != EntryType::EntryConfChange || entry.context.is_empty() {
            return Err(raft_error("a change of the membership without its command"));
        }
        let mut change = ConfChange::default();
        change.merge_from_bytes(&entry.data).map_err(raft_error)?;
        let command = Entry::decode(&entry.context)?;
        let (request, index) = (command.request, entry.index);
        let repeated = self.state.outcome(request).is_some();
        #[cfg(feature = "planted")]
        let repeated = repeated
            || (planted::is(planted::Bug::HalfDismissed) && change.get_change_type() == ConfChangeType::RemoveNode);
        let outcome = self.carry_out(index, command, None);
        if outcome.is_ok() && !repeated {
            self.node.apply_conf_change(&change).map_err(raft_error)?;
            send(self.step_down_if_dismissed(), effects)?;
        }
        effects.push(Effect::Applied {
            index,
            request,
            outcome,
            view: Box::new(self.state.clone()),
        });
        Ok(())
    }

    /// A leader does not dismiss itself, but the one before it may have: whoever takes over carries out what is in its
    /// log. The raft crate (0.7) leaves such a leader in its place, and panics at the next receipt: it steps down.
    /// What it returns tells the others how far the log is committed: until they know of the dismissal they need its vote.
    fn step_down_if_dismissed(&mut self) -> Vec<Message> {
        let raft = &mut self.node.raft;
        if raft.state != StateRole::Leader || raft.promotable() {
            return Vec::new();
        }
        raft.bcast_append();
        let words = std::mem::take(&mut raft.msgs);
        raft.become_follower(raft.term, INVALID_ID);
        words
    }
}
