//! The log in memory, as the raft crate reads it: a mirror of what `disk` holds. Changed by the replica only, and only
//! after the disk has the same. Bounded by compaction.

use std::{cell::Cell, collections::VecDeque};

use raft::{
    GetEntriesContext, RaftState, Storage, StorageError,
    eraftpb::{Entry, HardState, Snapshot},
    util::limit_size,
};

use super::disk::Saved;

/// Hard state, snapshot, and the entries from somewhere at or before the snapshot's index to the end.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    pub(super) hard_state: HardState,
    pub(super) snapshot: Snapshot,
    entries: VecDeque<Entry>,
    /// Bytes of all that is in the entries.
    bytes: usize,
    /// Raft asked for a snapshot that does not exist yet: one in which the member that needs it is a member.
    wanted: Cell<bool>,
}

/// What an entry holds.
fn size(entry: &Entry) -> usize {
    entry.data.len() + entry.context.len()
}

impl Log {
    pub(super) fn of(saved: Saved) -> Self {
        Self {
            bytes: saved.entries.iter().map(size).sum(),
            hard_state: saved.hard_state,
            snapshot: saved.snapshot,
            entries: saved.entries.into(),
            wanted: Cell::new(false),
        }
    }

    /// Whether raft waits for a newer snapshot.
    pub(super) fn is_snapshot_wanted(&self) -> bool {
        self.wanted.get()
    }

    pub(super) fn snapshot_index(&self) -> u64 {
        self.snapshot.get_metadata().index
    }

    /// Bytes of the entries that are held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The first of the last entries that have `limit` bytes together.
    pub(super) fn last_within(&self, limit: usize) -> u64 {
        let mut total = 0;
        let newest = self.entries.iter().rev();
        let fit = newest.take_while(|entry| {
            total += size(entry);
            total <= limit
        });
        self.last() + 1 - fit.count() as u64
    }

    fn last(&self) -> u64 {
        self.entries
            .back()
            .map_or_else(|| self.snapshot_index(), |entry| entry.index)
    }

    /// Index of the first entry that is still held.
    fn first_held(&self) -> u64 {
        self.entries
            .front()
            .map_or_else(|| self.snapshot_index() + 1, |entry| entry.index)
    }

    fn at(&self, index: u64) -> Option<&Entry> {
        let offset = index.checked_sub(self.first_held())?;
        self.entries.get(usize::try_from(offset).ok()?)
    }

    /// A leader's snapshot replaces everything.
    pub(super) fn install(&mut self, snapshot: Snapshot) {
        self.entries.clear();
        self.bytes = 0;
        self.hard_state.commit = snapshot.get_metadata().index.max(self.hard_state.commit);
        self.snapshot = snapshot;
    }

    /// An own snapshot; entries before `keep_from` go.
    pub(super) fn compact(&mut self, snapshot: Snapshot, keep_from: u64) {
        self.snapshot = snapshot;
        self.wanted.set(false);
        while let Some(old) = self.entries.pop_front_if(|entry| entry.index < keep_from) {
            self.bytes -= size(&old);
        }
    }

    /// Entries in order without gaps; those that were at their indexes or behind go.
    pub(super) fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        while let Some(old) = self.entries.pop_back_if(|entry| entry.index >= first.index) {
            self.bytes -= size(&old);
        }
        self.bytes += entries.iter().map(size).sum::<usize>();
        self.entries.extend(entries.iter().cloned());
    }
}

impl Storage for Log {
    fn initial_state(&self) -> raft::Result<RaftState> {
        // The membership as of the snapshot: later changes are in the log and are applied again.
        let members = self.snapshot.get_metadata().get_conf_state().clone();
        Ok(RaftState::new(self.hard_state.clone(), members))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        let first = self.first_index()?;
        if low < first {
            return Err(StorageError::Compacted.into());
        }
        let mut found = Vec::new();
        for index in low..high {
            found.push(self.at(index).cloned().ok_or(StorageError::Unavailable)?);
        }
        limit_size(&mut found, max_size.into());
        Ok(found)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        let snapshot = self.snapshot.get_metadata();
        match self.at(index) {
            Some(entry) => Ok(entry.term),
            None if index == snapshot.index => Ok(snapshot.term),
            None if index < self.first_held() => Err(StorageError::Compacted.into()),
            None => Err(StorageError::Unavailable.into()),
        }
    }

    /// One more than the first held entry unless the log begins right behind the snapshot: raft also asks for the term
    /// of the entry before the first.
    fn first_index(&self) -> raft::Result<u64> {
        let held = self.first_held();
        Ok(if held == self.snapshot_index() + 1 {
            held
        } else {
            held + 1
        })
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    /// A member drops a snapshot of a membership without it, so one from before it joined is of no use.
    fn snapshot(&self, request_index: u64, to: u64) -> raft::Result<Snapshot> {
        let members = self.snapshot.get_metadata().get_conf_state();
        if self.snapshot_index() >= request_index && (members.voters.contains(&to) || members.learners.contains(&to)) {
            return Ok(self.snapshot.clone());
        }
        self.wanted.set(true);
        Err(StorageError::SnapshotTemporarilyUnavailable.into())
    }
}
