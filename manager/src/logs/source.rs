//! A node as a reading sees it: whether it sends, and which of its lines are new. A node that begins anew may repeat what
//! was on its way, and an old stream of its may still have lines in a queue: neither is told twice.

use std::collections::{BTreeMap, BTreeSet};

use model::{NodeId, TaskId, Timestamp};
use tokio::time::Instant;
use wire::pb;

use super::PATIENCE;

/// Something that a node sent, or what became of its stream.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) node: NodeId,
    pub(super) stream: u64,
    pub(super) what: What,
}

/// See [`Said`].
#[derive(Debug)]
pub(super) enum What {
    Began,
    Sent(pb::LogBatch),
    /// Everything is told.
    Done,
    /// The stream broke.
    Lost,
}

/// What follows from it.
#[derive(Debug)]
pub(super) enum Heard {
    /// Nothing new.
    Nothing,
    /// It sends (again).
    Began,
    /// Lines and notes that are new.
    Lines(Vec<(Timestamp, pb::LogLine)>, Vec<pb::LogNote>),
    Done,
    Lost,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Source {
    /// The stream that is listened to.
    stream: u64,
    /// It is open.
    sends: bool,
    /// Since when it is not.
    since: Instant,
    /// What was told of each task so far.
    seen: BTreeMap<TaskId, Timestamp>,
    /// What was told when the stream began: nothing up to there is new in it.
    floor: BTreeMap<TaskId, Timestamp>,
}

impl Source {
    pub(super) fn new() -> Self {
        Self {
            stream: 0,
            sends: false,
            since: Instant::now(),
            seen: BTreeMap::new(),
            floor: BTreeMap::new(),
        }
    }

    /// When it is missing; `None` while it sends.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (!self.sends).then(|| self.since + PATIENCE)
    }

    /// It gets another moment.
    pub(super) fn wait_again(&mut self) {
        self.since = Instant::now();
    }

    /// Time of the last line of each task.
    pub(super) fn seen(&self) -> &BTreeMap<TaskId, Timestamp> {
        &self.seen
    }

    /// Nothing more is heard of these tasks.
    pub(super) fn forget(&mut self, tasks: &BTreeSet<TaskId>) {
        self.seen.retain(|task, _| !tasks.contains(task));
        self.floor.retain(|task, _| !tasks.contains(task));
    }

    /// Takes what was said.
    pub(super) fn hear(&mut self, said: Said) -> Heard {
        if matches!(said.what, What::Began) && said.stream > self.stream {
            self.stream = said.stream;
            self.sends = true;
            self.floor = self.seen.clone();
            return Heard::Began;
        }
        if said.stream != self.stream {
            return Heard::Nothing;
        }
        match said.what {
            What::Began => Heard::Nothing,
            What::Sent(batch) => {
                let lines = batch.lines.into_iter().filter_map(|line| self.line(line));
                Heard::Lines(lines.collect(), batch.notes)
            }
            What::Done => Heard::Done,
            What::Lost => {
                (self.sends, self.since) = (false, Instant::now());
                Heard::Lost
            }
        }
    }

    fn line(&mut self, line: pb::LogLine) -> Option<(Timestamp, pb::LogLine)> {
        let (task, at) = (line.task.parse().ok()?, Timestamp(line.at));
        if self.floor.get(&task).is_some_and(|floor| at <= *floor) {
            return None;
        }
        let seen = self.seen.entry(task).or_insert(at);
        *seen = at.max(*seen);
        Some((at, line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(stream: u64, what: What) -> Said {
        Said {
            node: NodeId::from_bits(1),
            stream,
            what,
        }
    }

    fn sent(stream: u64, times: &[i64]) -> Said {
        let line = |at: &i64| pb::LogLine {
            task: TaskId::from_bits(1).to_string(),
            at: *at,
            ..pb::LogLine::default()
        };
        let lines = times.iter().map(line).collect();
        let batch = pb::LogBatch {
            lines,
            ..pb::LogBatch::default()
        };
        said(stream, What::Sent(batch))
    }

    fn lines(heard: Heard) -> Vec<i64> {
        match heard {
            Heard::Lines(lines, _) => lines.into_iter().map(|(at, _)| at.0).collect(),
            _ => Vec::new(),
        }
    }

    #[tokio::test]
    async fn nothing_is_told_twice_when_a_node_begins_anew() {
        let mut source = Source::new();
        assert!(source.deadline().is_some());
        assert!(matches!(source.hear(said(1, What::Began)), Heard::Began));
        assert!(source.deadline().is_none());
        assert_eq!(lines(source.hear(sent(1, &[3, 3, 5]))), [3, 3, 5]);
        assert!(matches!(source.hear(said(2, What::Began)), Heard::Began));
        assert_eq!(
            lines(source.hear(sent(1, &[6]))),
            Vec::<i64>::new(),
            "the second stream will have it"
        );
        assert!(matches!(source.hear(said(1, What::Lost)), Heard::Nothing));
        assert_eq!(lines(source.hear(sent(2, &[4, 5, 6]))), [6]);
        assert!(matches!(source.hear(said(2, What::Lost)), Heard::Lost));
        assert!(source.deadline().is_some());
        assert_eq!(source.seen()[&TaskId::from_bits(1)], Timestamp(6));
    }
}
