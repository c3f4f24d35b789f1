//! Rows of one kind by key, of which is known when each changed last: whoever saw them at one index can be told what
//! changed since. Most hold digests only, and what a row says is looked up in the state; rows that many nodes are told are
//! kept as they are told.

use std::collections::{BTreeMap, BTreeSet};

/// Removed rows that are remembered, besides as many as there are rows; who was away for longer gets everything anew.
const TOMBSTONES: usize = 1024;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Topic<K: Ord + Copy, R = ()> {
    rows: BTreeMap<K, Entry<R>>,
    /// Removed rows, with the index at which they went.
    gone: BTreeMap<K, u64>,
    /// Rows and removed rows by index, each once.
    changed: BTreeSet<(u64, K)>,
    /// Of them the removed ones: the oldest may lie behind any number of rows that have not changed for longer.
    graves: BTreeSet<(u64, K)>,
    sum: u64,
    floor: u64,
}

#[derive(Clone, Debug)]
struct Entry<R> {
    /// Index of the last change.
    at: u64,
    digest: u64,
    row: R,
}

impl<K: Ord + Copy> Topic<K> {
    /// The row is as `digest` says since index `at`, or is no more. Whether that is news.
    pub fn set(&mut self, at: u64, key: K, digest: Option<u64>) -> bool {
        self.put(at, key, digest.map(|digest| (digest, || ())))
    }
}

impl<K: Ord + Copy, R> Topic<K, R> {
    /// Nothing yet. What happened at `floor` or before is not known.
    pub fn starting(floor: u64) -> Self {
        Self {
            rows: BTreeMap::new(),
            gone: BTreeMap::new(),
            changed: BTreeSet::new(),
            graves: BTreeSet::new(),
            sum: 0,
            floor,
        }
    }

    /// The row with this digest is there since index `at`, or none is any more. Whether that is news; the row is made
    /// only if it is.
    pub fn put(&mut self, at: u64, key: K, row: Option<(u64, impl FnOnce() -> R)>) -> bool {
        let before = self.get(key);
        if before == row.as_ref().map(|(digest, _)| *digest) {
            return false;
        }
        if let Some(before) = self.changed_at(key) {
            self.changed.remove(&(before, key));
            self.graves.remove(&(before, key));
        }
        self.changed.insert((at, key));
        self.sum = self.sum.wrapping_sub(before.unwrap_or(0));
        if let Some((digest, row)) = row {
            self.sum = self.sum.wrapping_add(digest);
            self.gone.remove(&key);
            let row = row();
            self.rows.insert(key, Entry { at, digest, row });
        } else {
            self.rows.remove(&key);
            self.bury(at, key);
            self.forget();
        }
        true
    }

    /// The row, if there is one, or its absence is news since index `at`.
    pub fn touch(&mut self, at: u64, key: K) {
        if let Some(before) = self.changed_at(key) {
            self.changed.remove(&(before, key));
            self.graves.remove(&(before, key));
        }
        self.changed.insert((at, key));
        match self.rows.get_mut(&key) {
            Some(entry) => entry.at = at,
            None => self.bury(at, key),
        }
        self.forget();
    }

    fn bury(&mut self, at: u64, key: K) {
        self.gone.insert(key, at);
        self.graves.insert((at, key));
    }

    /// Index of the last change of a row, or of its removal.
    pub fn changed_at(&self, key: K) -> Option<u64> {
        let entry = self.rows.get(&key).map(|entry| entry.at);
        entry.or_else(|| self.gone.get(&key).copied())
    }

    fn forget(&mut self) {
        if self.gone.len() <= TOMBSTONES + self.rows.len() {
            return;
        }
        if let Some((at, key)) = self.graves.pop_first() {
            self.changed.remove(&(at, key));
            self.gone.remove(&key);
            self.floor = self.floor.max(at);
        }
    }

    /// Whether all changes after index `from` are known.
    pub fn knows(&self, from: u64) -> bool {
        from >= self.floor
    }

    /// Keys of the rows that changed, came or went after index `from`.
    pub fn since(&self, from: u64) -> impl Iterator<Item = K> {
        let later = self.changed.iter().rev().take_while(move |(at, _)| *at > from);
        later.map(|(_, key)| *key)
    }

    /// The same with the rows as they are now; `None`: no more.
    pub fn changes(&self, from: u64) -> impl Iterator<Item = (K, Option<&R>)> {
        self.since(from).map(|key| (key, self.row(key)))
    }

    /// The row's digest.
    pub fn get(&self, key: K) -> Option<u64> {
        self.rows.get(&key).map(|entry| entry.digest)
    }

    /// The row.
    pub fn row(&self, key: K) -> Option<&R> {
        self.rows.get(&key).map(|entry| &entry.row)
    }

    /// Keys of all rows, in order.
    pub fn keys(&self) -> impl Iterator<Item = K> {
        self.rows.keys().copied()
    }

    /// All rows, in the order of their keys.
    pub fn rows(&self) -> impl Iterator<Item = (K, &R)> {
        self.rows.iter().map(|(key, entry)| (*key, &entry.row))
    }

    /// All rows' keys and digests, in order.
    pub fn digests(&self) -> impl Iterator<Item = (K, u64)> {
        self.rows.iter().map(|(key, entry)| (*key, entry.digest))
    }

    /// Keys from `first` to `last`.
    pub fn range(&self, first: K, last: K) -> impl Iterator<Item = K> {
        self.rows.range(first..=last).map(|(key, _)| *key)
    }

    /// Sum of all digests.
    pub fn sum(&self) -> u64 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(topic: &Topic<u8>, from: u64) -> BTreeSet<u8> {
        topic.since(from).collect()
    }

    #[test]
    fn each_row_is_told_once_with_its_last_change() {
        let mut topic = Topic::starting(4);
        assert!(topic.set(5, 1, Some(10)) && topic.set(6, 2, Some(20)) && topic.set(7, 1, Some(11)));
        assert!(!topic.set(8, 1, Some(11)), "no news");
        assert_eq!((since(&topic, 4), since(&topic, 6)), ([1, 2].into(), [1].into()));
        assert!(topic.set(9, 2, None));
        assert_eq!((since(&topic, 8), topic.sum(), topic.get(2)), ([2].into(), 11, None));
        assert!(!topic.set(10, 3, None), "never here");
        assert_eq!(since(&topic, 9), [].into());
        assert!(topic.knows(4) && !topic.knows(3));
    }

    #[test]
    fn what_is_touched_is_told_again_and_stays_as_it_is() {
        let mut topic = Topic::starting(4);
        topic.set(5, 1, Some(10));
        topic.touch(6, 1);
        topic.touch(6, 2);
        assert_eq!((since(&topic, 5), topic.sum()), ([1, 2].into(), 10));
        topic.touch(7, 2);
        assert_eq!(
            (since(&topic, 6), topic.get(1), topic.get(2)),
            ([2].into(), Some(10), None)
        );
        assert_eq!((topic.changed_at(1), topic.changed_at(3)), (Some(6), None));
    }

    #[test]
    fn what_comes_back_lies_in_no_grave() {
        let mut topic = Topic::starting(0);
        let graves = |topic: &Topic<u8>| topic.graves.iter().copied().collect::<Vec<_>>();
        topic.set(1, 1, Some(10));
        topic.set(2, 1, None);
        topic.touch(3, 2);
        assert_eq!(graves(&topic), [(2, 1), (3, 2)]);
        topic.touch(4, 1);
        topic.touch(4, 1);
        assert_eq!(graves(&topic), [(3, 2), (4, 1)]);
        topic.set(5, 1, Some(10));
        topic.touch(6, 1);
        assert_eq!((graves(&topic), since(&topic, 4)), (vec![(3, 2)], [1].into()));
    }

    #[test]
    fn the_oldest_removals_are_forgotten() {
        let mut topic = Topic::starting(0);
        for key in 0..3000u64 {
            topic.set(2 * key + 1, key, Some(1));
            topic.set(2 * key + 2, key, None);
        }
        assert!(!topic.knows(100) && topic.knows(5990));
        assert_eq!(topic.since(5990).count(), 5);
        assert_eq!((topic.gone.len(), topic.graves.len()), (TOMBSTONES, TOMBSTONES));
    }
}
