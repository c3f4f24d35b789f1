//! Sources of which each is in order, merged into one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::Timestamp;

/// Merges sources by time. A source whose own lines are out of order is not put in order: no line overtakes another of
/// its source.
#[derive(Debug)]
pub struct Merge<K, T> {
    /// What each source has said and is not told yet. Ended sources are gone once that is told.
    queues: BTreeMap<K, VecDeque<(Timestamp, T)>>,
    /// Sources with something to tell, by the time of their first line.
    heads: BTreeSet<(Timestamp, K)>,
    /// Sources of which nothing is known: they may be next.
    wanted: BTreeSet<K>,
}

impl<K: Ord + Clone, T> Merge<K, T> {
    /// Nothing is told before all of these have said something, or ended.
    pub fn new(sources: impl IntoIterator<Item = K>) -> Self {
        let wanted: BTreeSet<K> = sources.into_iter().collect();
        Self {
            queues: wanted.iter().map(|source| (source.clone(), VecDeque::new())).collect(),
            heads: BTreeSet::new(),
            wanted,
        }
    }

    /// A source that has to speak, or end, before anything is told.
    pub fn wanted(&self) -> Option<&K> {
        self.wanted.first()
    }

    /// The next lines of a source. Those of one that has ended are not taken.
    pub fn put(&mut self, source: &K, lines: impl IntoIterator<Item = (Timestamp, T)>) {
        let Some(queue) = self.queues.get_mut(source) else {
            return;
        };
        queue.extend(lines);
        if let Some((at, _)) = queue.front()
            && self.wanted.remove(source)
        {
            self.heads.insert((*at, source.clone()));
        }
    }

    /// A source says nothing more.
    pub fn end(&mut self, source: &K) {
        if self.wanted.remove(source) {
            self.queues.remove(source);
        }
    }

    /// The earliest line, unless a source is wanted or all have ended.
    pub fn pop(&mut self) -> Option<T> {
        if !self.wanted.is_empty() {
            return None;
        }
        let (_, source) = self.heads.pop_first()?;
        let queue = self.queues.get_mut(&source)?;
        let (_, line) = queue.pop_front()?;
        match queue.front() {
            Some((at, _)) => drop(self.heads.insert((*at, source))),
            None => drop(self.wanted.insert(source)),
        }
        Some(line)
    }

    /// Every source has ended and everything is told.
    pub fn is_over(&self) -> bool {
        self.heads.is_empty() && self.wanted.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(times: &[i64]) -> Vec<(Timestamp, i64)> {
        times.iter().map(|time| (Timestamp(*time), *time)).collect()
    }

    fn drained(merge: &mut Merge<char, i64>) -> Vec<i64> {
        std::iter::from_fn(|| merge.pop()).collect()
    }

    #[test]
    fn nothing_is_told_before_every_source_has_spoken() {
        let mut merge = Merge::new(['a', 'b']);
        merge.put(&'a', at(&[1, 4]));
        assert_eq!((merge.pop(), merge.wanted()), (None, Some(&'b')));
        merge.put(&'b', at(&[2, 3]));
        assert_eq!(drained(&mut merge), [1, 2, 3], "then b may have one before 4");
        merge.end(&'b');
        assert_eq!(drained(&mut merge), [4]);
        assert!(!merge.is_over());
        merge.end(&'a');
        assert!(merge.is_over());
    }

    #[test]
    fn lines_of_one_source_keep_their_order() {
        let mut merge = Merge::new(['a', 'b']);
        merge.put(&'a', at(&[5, 1]));
        merge.put(&'b', at(&[2]));
        merge.put(&'b', at(&[6]));
        assert_eq!(drained(&mut merge), [2, 5, 1]);
        merge.end(&'a');
        merge.put(&'a', at(&[7]));
        assert_eq!(drained(&mut merge), [6], "an ended source is not heard");
    }

    #[test]
    fn without_sources_it_is_over() {
        assert!(Merge::<char, i64>::new([]).is_over());
    }
}
