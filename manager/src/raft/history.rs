//! The latest changes by log index, kept by every manager from the entries that it applies: equal on all of them, so that
//! whoever follows changes may go on at another manager. Bounded: what is older than the bound is forgotten, and who asks
//! for it is told so.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use model::Timestamp;
use store::Change;
use thiserror::Error;

/// Changes kept; each takes some 150 bytes.
const KEPT_CHANGES: usize = 32_768;

/// The changes asked for are not there any more: look at everything and follow from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("changes before index {oldest} are compacted: list the objects again and watch from there")]
pub struct Compacted {
    /// First index whose changes are known.
    pub oldest: u64,
}

/// What one log entry changed.
pub type Changes = (u64, Arc<[Change]>);

#[derive(Debug, Default)]
struct Ring {
    /// First index whose changes are known.
    oldest: u64,
    /// Last index that was applied.
    applied: u64,
    entries: VecDeque<Changes>,
    /// Changes in all entries.
    count: usize,
    /// The latest time of a change so far.
    at: Timestamp,
    /// There were changes before those that are known.
    forgotten: bool,
}

/// A handle; clones share the same changes. Written by the replica, read by whoever follows.
#[derive(Clone, Debug, Default)]
pub struct History {
    ring: Arc<Mutex<Ring>>,
}

impl History {
    /// Changes behind `applied` will be known; `empty`: there is nothing yet that could have changed before.
    pub(super) fn starting(applied: u64, empty: bool) -> Self {
        let history = Self::default();
        history.forget(applied);
        history.ring().forgotten = !empty;
        history
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // Nothing in here can panic half-way; a poisoned ring is whole.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A snapshot replaced everything up to `applied`: what it changed is not known.
    pub(super) fn forget(&self, applied: u64) {
        let mut ring = self.ring();
        *ring = Ring {
            oldest: applied + 1,
            applied,
            // What came before the very first entry is nothing.
            forgotten: true,
            ..Ring::default()
        };
    }

    /// The entry at `index` was applied. Indexes only grow; one that was there before is the same again, after a restart.
    pub(super) fn record(&self, index: u64, mut changes: Vec<Change>) {
        let mut ring = self.ring();
        if index <= ring.applied {
            return;
        }
        ring.applied = index;
        if changes.is_empty() {
            return;
        }
        for change in &mut changes {
            if change.at == Timestamp::default() {
                change.at = ring.at;
            }
            ring.at = ring.at.max(change.at);
        }
        ring.count += changes.len();
        ring.entries.push_back((index, changes.into()));
        while ring.count > KEPT_CHANGES && ring.entries.len() > 1 {
            if let Some((index, gone)) = ring.entries.pop_front() {
                ring.count -= gone.len();
                ring.oldest = index + 1;
                ring.forgotten = true;
            }
        }
    }

    /// The index of the first change at `since` or later; the next one, if there is none. Changes come in the order of the
    /// log, which is nearly that of time: what is told from there on may have some that are a little older.
    pub fn first_since(&self, since: Timestamp) -> Result<u64, Compacted> {
        let ring = self.ring();
        let found = ring
            .entries
            .iter()
            .position(|(_, changes)| changes.iter().any(|change| change.at >= since));
        // If some older change is known, all of that time are.
        let older = |(_, changes): &Changes| changes.iter().any(|change| change.at < since);
        if ring.forgotten && !ring.entries.front().is_some_and(older) {
            return Err(Compacted { oldest: ring.oldest });
        }
        let index = found.and_then(|at| ring.entries.get(at)).map(|(index, _)| *index);
        Ok(index.unwrap_or(ring.applied + 1))
    }

    /// The changes from index `from` on, of up to `limit` entries, and the index up to which they are complete.
    pub fn since(&self, from: u64, limit: usize) -> Result<(Vec<Changes>, u64), Compacted> {
        let ring = self.ring();
        if from < ring.oldest {
            return Err(Compacted { oldest: ring.oldest });
        }
        let first = ring.entries.partition_point(|(index, _)| *index < from);
        let found: Vec<Changes> = ring.entries.iter().skip(first).take(limit).cloned().collect();
        let complete = match found.last() {
            Some((last, _)) if found.len() == limit => *last,
            _ => ring.applied,
        };
        Ok((found, complete))
    }
}

#[cfg(test)]
mod tests {
    use store::{Action, Object};

    use super::*;

    fn change(n: usize) -> Vec<Change> {
        let change = Change {
            object: Object::Cluster,
            action: Action::Updated,
            name: n.to_string(),
            at: Timestamp(n as i64),
            task: None,
            attributes: Vec::new(),
        };
        vec![change]
    }

    fn indexes(found: Result<(Vec<Changes>, u64), Compacted>) -> (Vec<u64>, u64) {
        let (found, complete) = found.unwrap();
        (found.into_iter().map(|(index, _)| index).collect(), complete)
    }

    #[test]
    fn changes_come_in_order_from_any_index_that_is_known() {
        let history = History::starting(10, false);
        assert_eq!(history.since(10, 9), Err(Compacted { oldest: 11 }));
        for index in [11, 13, 14] {
            history.record(index, change(1));
        }
        history.record(15, Vec::new());
        history.record(13, change(2));
        assert_eq!(indexes(history.since(11, 9)), (vec![11, 13, 14], 15));
        assert_eq!(indexes(history.since(12, 1)), (vec![13], 13));
        assert_eq!(indexes(history.since(16, 9)), (vec![], 15));
        history.forget(20);
        assert_eq!(history.since(15, 9), Err(Compacted { oldest: 21 }));
    }

    #[test]
    fn changes_are_found_by_their_time() {
        let whole = History::starting(0, true);
        whole.record(1, change(20));
        whole.record(3, change(0));
        whole.record(4, change(30));
        assert_eq!(whole.first_since(Timestamp(5)), Ok(1), "nothing is forgotten");
        assert_eq!(whole.first_since(Timestamp(20)), Ok(1));
        assert_eq!(whole.first_since(Timestamp(21)), Ok(4));
        assert_eq!(whole.first_since(Timestamp(31)), Ok(5));
        let rest = History::starting(7, false);
        assert_eq!(rest.first_since(Timestamp(1)), Err(Compacted { oldest: 8 }));
        rest.record(8, change(20));
        assert_eq!(
            rest.first_since(Timestamp(20)),
            Err(Compacted { oldest: 8 }),
            "there may have been more"
        );
        assert_eq!(rest.first_since(Timestamp(21)), Ok(9));
    }

    #[test]
    fn what_is_too_old_is_forgotten() {
        let history = History::starting(0, true);
        for index in 1..=KEPT_CHANGES + 5 {
            history.record(index as u64, change(index));
        }
        assert_eq!(history.since(5, 1), Err(Compacted { oldest: 6 }));
        assert_eq!(indexes(history.since(6, 2)), (vec![6, 7], 7));
    }
}
