//! One reading of logs, from the call to its end. What is there is read to its end and merged; if it is followed, reading
//! then goes on from there (`follow`).

use std::collections::{BTreeMap, BTreeSet};

use lines::Merge;
use model::{NodeId, NodeState, TaskId, Timestamp};
use store::View;
use tokio::{
    sync::{mpsc, watch},
    time::timeout_at,
};
use tonic::Status;
use wire::pb;

use super::{
    Desk,
    desk::Opened,
    source::{Heard, Said, Source},
    telling::{Gone, Telling},
    wanted::Wanted,
};
use crate::proposer::Proposer;

/// Batches of one node that may wait.
const WAITING: usize = 2;

/// See the module.
pub(crate) struct Reading {
    pub(crate) wanted: Wanted,
    pub(crate) desk: Desk,
    pub(crate) proposer: Proposer,
    pub(crate) stopping: watch::Receiver<bool>,
    pub(crate) to: mpsc::Sender<Result<pb::LogsResponse, Status>>,
}

/// Why a reading ends before its time.
pub(super) enum End {
    Gone,
    Refused(Status),
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<Status> for End {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

impl Reading {
    /// Runs until all is told, the caller has gone, or this manager leads no more.
    pub(crate) async fn run(mut self) {
        let to = self.to.clone();
        let mut published = self.proposer.published();
        let mut stopping = self.stopping.clone();
        let outcome = tokio::select! {
            outcome = self.read() => outcome,
            () = to.closed() => Ok(()),
            _ = published.wait_for(|published| !published.standing.leads) => {
                Err(Status::unavailable("this manager does not lead any more: try again").into())
            }
            _ = stopping.wait_for(|stop| *stop) => {
                Err(Status::unavailable("this manager is stopping: try another").into())
            }
        };
        if let Err(End::Refused(why)) = outcome {
            let _ = to.send(Err(why)).await;
        }
    }

    async fn read(&mut self) -> Result<(), End> {
        let mut telling = Telling::new(self.to.clone());
        // `--tail 0` of what is there is nothing.
        if !self.wanted.follow || self.wanted.tail != Some(0) {
            self.read_all(&mut telling).await?;
        }
        match self.wanted.follow {
            true => self.follow(&mut telling).await,
            false => Ok(()),
        }
    }

    /// Reads what is there, in the order of time. Afterwards what is wanted begins behind that.
    async fn read_all(&mut self, telling: &mut Telling) -> Result<(), End> {
        let opened = self.desk.open(false, self.wanted.details)?;
        let view = self.proposer.view();
        let mut readers = self.begin(&view, &opened, telling);
        let mut merge = Merge::new(readers.keys().copied());
        while !merge.is_over() {
            while let Some(node) = merge.wanted().copied() {
                let Some(reader) = readers.get_mut(&node) else { break };
                telling.flush().await?;
                match reader.next(&opened).await {
                    Some((lines, notes)) => {
                        notes.into_iter().for_each(|note| telling.note(note));
                        merge.put(&node, lines);
                    }
                    None => {
                        if reader.source.deadline().is_some() {
                            telling.missing(&view, node);
                        }
                        merge.end(&node);
                    }
                }
            }
            if let Some(line) = merge.pop() {
                telling.line(line).await?;
            }
        }
        telling.flush().await?;
        self.remember(readers.values());
        Ok(())
    }

    /// Wishes all logs of nodes that are up.
    fn begin(&self, view: &View, opened: &Opened, telling: &mut Telling) -> BTreeMap<NodeId, Reader> {
        let mut readers = BTreeMap::new();
        for (node, tasks) in self.wanted.by_node(view) {
            tasks.iter().for_each(|task| telling.expect(view, task));
            if view.node(node).is_none_or(|node| node.status.state != NodeState::Ready) {
                telling.missing(view, node);
                continue;
            }
            let (to, inbox) = mpsc::channel(WAITING);
            let positions = tasks.iter().map(|task| (task.id, self.wanted.position(task.id)));
            opened.wish(node, positions.collect(), BTreeSet::new(), &to);
            let reader = Reader {
                node,
                tasks: tasks.iter().map(|task| task.id).collect(),
                source: Source::new(),
                inbox,
            };
            readers.insert(node, reader);
        }
        readers
    }

    /// What was read is not read again.
    fn remember<'a>(&mut self, readers: impl Iterator<Item = &'a Reader>) {
        for reader in readers {
            let complete = reader.source.deadline().is_none();
            for task in &reader.tasks {
                let seen = reader.source.seen().get(task).copied();
                self.wanted.remember(*task, seen, complete);
            }
        }
    }
}

/// One node of which everything is read.
struct Reader {
    node: NodeId,
    tasks: Vec<TaskId>,
    source: Source,
    inbox: mpsc::Receiver<Said>,
}

impl Reader {
    /// Its next lines; `None`: there are no more, or it is missing.
    async fn next(&mut self, opened: &Opened) -> Option<(Vec<(Timestamp, pb::LogLine)>, Vec<pb::LogNote>)> {
        loop {
            let said = match self.source.deadline() {
                Some(deadline) => timeout_at(deadline, self.inbox.recv()).await.ok()?,
                None => self.inbox.recv().await,
            };
            match self.source.hear(said?) {
                Heard::Lines(lines, notes) => return Some((lines, notes)),
                Heard::Done => return None,
                Heard::Lost => opened.again(self.node, self.source.seen()),
                Heard::Began | Heard::Nothing => {}
            }
        }
    }
}
