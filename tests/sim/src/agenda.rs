//! Virtual time: what happens when, in order; two things of one moment happen in the order in which they were noted.

use std::{collections::BTreeMap, time::Duration};

use model::Timestamp;

/// See the module.
#[derive(Debug)]
pub struct Agenda<E> {
    /// The present.
    pub now: Timestamp,
    noted: u64,
    events: BTreeMap<(Timestamp, u64), E>,
}

impl<E> Agenda<E> {
    /// Nothing to happen yet.
    pub fn starting(now: Timestamp) -> Self {
        Self {
            now,
            noted: 0,
            events: BTreeMap::new(),
        }
    }

    /// Something that happens after `delay`.
    pub fn after(&mut self, delay: Duration, event: E) {
        self.at(self.now + delay, event);
    }

    /// Something that happens at a moment; now, if that has passed.
    pub fn at(&mut self, at: Timestamp, event: E) {
        self.noted += 1;
        self.events.insert((at.max(self.now), self.noted), event);
    }

    /// Time leaps; what is to come comes as long after it as it would have come from now.
    pub fn leap(&mut self, span: Duration) {
        self.now = self.now + span;
        let later = std::mem::take(&mut self.events).into_iter();
        self.events = later
            .map(|((at, number), event)| ((at + span, number), event))
            .collect();
    }

    /// The next thing, if it happens by `end`; the present moves there.
    pub fn next(&mut self, end: Timestamp) -> Option<E> {
        let first = self.events.first_entry()?;
        if first.key().0 > end {
            return None;
        }
        self.now = first.key().0;
        Some(first.remove())
    }
}
