//! Calls and answers in the order of time, as a list from which an operation is
//! lifted and put back in constant time, the last one lifted first.

use crate::history::Operation;

/// A place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// Operation by its index: called.
    Call(usize),
    /// Answered.
    Answer(usize),
}

#[derive(Debug)]
struct Place {
    entry: Entry,
    /// Place of a call's answer, if there is one.
    answer: Option<usize>,
    before: usize,
    after: usize,
}

/// The list. Place 0 is its head and has no entry.
#[derive(Debug)]
pub(super) struct Line {
    places: Vec<Place>,
}

const HEAD: usize = 0;

impl Line {
    pub(super) fn new(operations: &[Operation]) -> Self {
        let mut entries: Vec<(u64, Entry)> = Vec::with_capacity(operations.len() * 2);
        for (index, operation) in operations.iter().enumerate() {
            entries.push((operation.call, Entry::Call(index)));
            entries.extend(operation.back().map(|back| (back, Entry::Answer(index))));
        }
        // At the same time, calls come first: what cannot be told apart was concurrent.
        entries.sort_by_key(|(time, entry)| (*time, matches!(entry, Entry::Answer(_))));
        let mut places = vec![Place {
            entry: Entry::Answer(usize::MAX),
            answer: None,
            before: HEAD,
            after: HEAD,
        }];
        let mut calls = vec![HEAD; operations.len()];
        for (_, entry) in entries {
            let own = places.len();
            match entry {
                Entry::Call(operation) => calls[operation] = own,
                Entry::Answer(operation) => places[calls[operation]].answer = Some(own),
            }
            places[own - 1].after = own;
            let (before, after) = (own - 1, HEAD);
            places.push(Place {
                entry,
                answer: None,
                before,
                after,
            });
        }
        let last = places.len() - 1;
        places[HEAD].before = last;
        Self { places }
    }

    /// The first place; the head itself when the list is empty.
    pub(super) fn first(&self) -> usize {
        self.places[HEAD].after
    }

    /// The place after this one; the head after the last.
    pub(super) fn after(&self, place: usize) -> usize {
        self.places[place].after
    }

    /// None for the head.
    pub(super) fn entry(&self, place: usize) -> Option<Entry> {
        (place != HEAD).then(|| self.places[place].entry)
    }

    /// Takes a call and its answer out of the list.
    pub(super) fn lift(&mut self, call: usize) {
        self.unlink(call);
        if let Some(answer) = self.places[call].answer {
            self.unlink(answer);
        }
    }

    /// Undoes the last [`Self::lift`].
    pub(super) fn put_back(&mut self, call: usize) {
        if let Some(answer) = self.places[call].answer {
            self.link(answer);
        }
        self.link(call);
    }

    fn unlink(&mut self, place: usize) {
        let (before, after) = (self.places[place].before, self.places[place].after);
        self.places[before].after = after;
        self.places[after].before = before;
    }

    fn link(&mut self, place: usize) {
        let (before, after) = (self.places[place].before, self.places[place].after);
        self.places[before].after = place;
        self.places[after].before = place;
    }
}
