//! Somebody who follows what changes, as `netctl events` does: reads on from where it has come to, each time at whichever
//! manager answers. What it is told must be in order, without gaps, and the same at all managers, or else "compacted": then
//! it begins anew.

use std::collections::BTreeSet;

use manager::raft::{Changes, History};
use store::{Action, Object};

use crate::check::Checked;

/// Entries that it reads at a time.
const BATCH: usize = 20;

/// See the module.
#[derive(Debug, Default)]
pub struct Follower {
    /// The index that it wants next.
    next: u64,
    /// Entries that have changed something.
    changed: BTreeSet<u64>,
}

type Seen = Vec<(u64, Vec<(Object, Action)>)>;

/// Without times, which a manager that began later may not know.
fn seen(changes: &[Changes], through: u64) -> Seen {
    let upto = changes.iter().filter(|(index, _)| *index <= through);
    let what = |(index, all): &Changes| (*index, all.iter().map(|c| (c.object, c.action)).collect());
    upto.map(what).collect()
}

impl Follower {
    /// An entry was applied for the first time, and has changed something.
    pub fn changed(&mut self, index: u64) {
        self.changed.insert(index);
    }

    /// Reads on at a manager that has come to `applied`; `others` know the same.
    pub fn turn(&mut self, manager: &History, applied: u64, others: &[History]) -> Checked {
        let from = self.next;
        let Ok((told, through)) = manager.since(from, BATCH) else {
            self.next = applied + 1;
            return Ok(());
        };
        let indexes: Vec<u64> = told.iter().map(|(index, _)| *index).collect();
        let ordered = indexes.is_sorted_by(|a, b| a < b) && indexes.iter().all(|i| (from..=through).contains(i));
        if !ordered {
            return Err(format!(
                "who follows from {from} on is told of {indexes:?} up to {through}"
            ));
        }
        if from <= through
            && let Some(gap) = self
                .changed
                .range(from..=through)
                .find(|index| !indexes.contains(index))
        {
            return Err(format!("who follows is not told what entry {gap} changed"));
        }
        for other in others {
            let Ok((theirs, end)) = other.since(from, usize::MAX) else {
                continue;
            };
            let end = end.min(through);
            if seen(&told, end) != seen(&theirs, end) {
                return Err(format!("two managers tell other changes from {from} to {end}"));
            }
        }
        self.next = from.max(through + 1);
        Ok(())
    }
}
