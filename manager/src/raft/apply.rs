//! How a member carries out what is committed: each entry by `State::apply`, in log order, on every member alike.

use raft::eraftpb::{Entry as LogEntry, EntryType};
use store::{Entry, Event, Refused};

use super::{
    disk::Disk,
    effect::{Effect, ReplicaError},
    replica::Replica,
};

/// What an entry says of when it was proposed first. One of which there are no copies says nothing.
pub(super) fn since(entry: &LogEntry) -> Option<u64> {
    entry.context.as_ref().try_into().ok().map(u64::from_le_bytes)
}

impl<D: Disk> Replica<D> {
    pub(super) fn apply(&mut self, entries: Vec<LogEntry>, effects: &mut Vec<Effect>) -> Result<(), ReplicaError> {
        for entry in entries {
            match entry.get_entry_type() {
                EntryType::EntryNormal if entry.data.is_empty() => self.state.apply_nothing(entry.index),
                EntryType::EntryNormal => {
                    let Entry { request, command } = Entry::decode(&entry.data)?;
                    #[cfg(feature = "planted")]
                    if planted::is(planted::Bug::TwoApplyPaths) && !self.standing().leads {
                        continue;
                    }
                    let index = entry.index;
                    let outcome = self.carry_out(index, Entry { request, command }, since(&entry));
                    effects.push(Effect::Applied {
                        index,
                        request,
                        outcome,
                        view: Box::new(self.state.clone()),
                    });
                }
                EntryType::EntryConfChange | EntryType::EntryConfChangeV2 => {
                    self.apply_member_change(&entry, effects)?;
                }
            }
        }
        Ok(())
    }

    /// Carries out what an entry asks for, and keeps what that changed for those who follow changes.
    pub(super) fn carry_out(&mut self, index: u64, entry: Entry, since: Option<u64>) -> Result<Vec<Event>, Refused> {
        let before = self.state.clone();
        let outcome = self.state.apply_repeated(index, entry, since);
        let events = outcome.as_deref().unwrap_or_default();
        self.history.record(index, store::changes(&before, &self.state, events));
        outcome
    }
}
