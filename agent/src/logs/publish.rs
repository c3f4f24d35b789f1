//! Sends the logs of some tasks to a manager, in batches: merged by time if they end; as they come if they are followed,
//! for then the manager holds lines back a little to put them in order.

use std::{collections::BTreeMap, sync::Arc};

use lines::Merge;
use model::{NodeId, TaskId};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_stream::wrappers::ReceiverStream;
use wire::pb::{self, dispatcher_client::DispatcherClient};

use super::{
    readers::{Readers, Wished},
    source::{Said, position, read},
};
use crate::{
    identity::Identity,
    runtime::{LogLine, LogRequest, LogStream, Runtime},
};

/// Lines that may wait of each source that is merged, and of all that are followed.
const WAITING: (usize, usize) = (4, 64);
/// A batch is sent when it holds this many bytes, or nothing more is there at the moment.
const BATCH: usize = 64 << 10;
/// Batches that may wait for the manager.
const UNSENT: usize = 1;

/// Where to send to, and as whom.
pub struct Target {
    pub manager: String,
    pub identity: Identity,
}

/// One wish.
pub struct Publisher {
    pub engine: Arc<dyn Runtime>,
    pub subscription: String,
    pub attempt: u32,
    pub follow: bool,
    pub details: bool,
    pub wished: watch::Receiver<Wished>,
}

/// Nobody takes batches any more.
struct Gone;

impl Publisher {
    /// Runs until everything is told, or the manager wants no more.
    pub async fn run(self, target: &Target) -> Result<(), String> {
        let channel = target.identity.connect(&target.manager).await;
        let mut client = DispatcherClient::new(channel.map_err(|e| e.to_string())?);
        let (up, stream) = mpsc::channel(UNSENT);
        let sending = async {
            let mut batch = Batch::new(&self, up, target.identity.node);
            let begun = batch.flush_always().await;
            let _ = match (begun, self.follow) {
                (Ok(()), true) => self.follow(&mut batch).await,
                (Ok(()), false) => self.merge(&mut batch).await,
                (Err(gone), _) => Err(gone),
            };
        };
        // The answer comes when the stream has ended, or before, when nobody reads it.
        let answered = async { client.publish_logs(ReceiverStream::new(stream)).await };
        tokio::pin!(answered);
        let answer = tokio::select! {
            answer = &mut answered => answer,
            () = sending => answered.await,
        };
        answer.map(drop).map_err(|status| status.message().to_owned())
    }

    fn request(&self, after: model::Timestamp, tail: Option<u64>) -> LogRequest {
        LogRequest {
            follow: self.follow,
            details: self.details,
            after,
            tail,
        }
    }

    /// Logs that end: the earliest line of all of them, again and again.
    async fn merge(&self, batch: &mut Batch) -> Result<(), Gone> {
        let mut readers = JoinSet::new();
        let mut sources = BTreeMap::new();
        let wished = self.wished.borrow().tasks.clone();
        // What ends waits for nobody.
        let ended = watch::channel(true).1;
        for (task, after, tail) in wished.iter().filter_map(position) {
            let (to, source) = mpsc::channel(WAITING.0);
            let request = self.request(after, tail);
            readers.spawn(read(self.engine.clone(), task, request, ended.clone(), to));
            sources.insert(task, source);
        }
        let mut merge = Merge::new(sources.keys().copied());
        while !merge.is_over() {
            while let Some(task) = merge.wanted().copied() {
                let Some(source) = sources.get_mut(&task) else { break };
                let said = match source.try_recv() {
                    Err(mpsc::error::TryRecvError::Empty) => {
                        batch.flush().await?;
                        source.recv().await
                    }
                    said => said.ok(),
                };
                match said {
                    Some((task, Said::Line(line))) => merge.put(&task, [(line.at, (task, line))]),
                    Some((task, Said::Trouble(reason))) => batch.note(task, reason),
                    None => merge.end(&task),
                }
            }
            if let Some((task, line)) = merge.pop() {
                batch.line(task, line).await?;
            }
        }
        batch.flush().await
    }

    /// Logs that go on: whatever comes; tasks may join, and leave.
    async fn follow(&self, batch: &mut Batch) -> Result<(), Gone> {
        let (to, mut said) = mpsc::channel(WAITING.1);
        let mut readers = Readers::default();
        let mut wished = self.wished.clone();
        wished.mark_changed();
        loop {
            tokio::select! {
                changed = wished.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    readers.serve(&wished.borrow_and_update(), |(task, after, tail), ended| {
                        read(self.engine.clone(), task, self.request(after, tail), ended, to.clone())
                    });
                }
                Some((task, first)) = said.recv() => {
                    batch.take(task, first).await?;
                    while let Ok((task, more)) = said.try_recv() {
                        batch.take(task, more).await?;
                    }
                    batch.flush().await?;
                }
            }
        }
    }
}

/// Lines on their way.
struct Batch {
    next: pb::LogBatch,
    bytes: usize,
    up: mpsc::Sender<pb::LogBatch>,
    node: NodeId,
}

impl Batch {
    fn new(publisher: &Publisher, up: mpsc::Sender<pb::LogBatch>, node: NodeId) -> Self {
        let next = pb::LogBatch {
            subscription: publisher.subscription.clone(),
            attempt: publisher.attempt,
            ..pb::LogBatch::default()
        };
        let bytes = 0;
        Self { next, bytes, up, node }
    }

    async fn take(&mut self, task: TaskId, said: Said) -> Result<(), Gone> {
        match said {
            Said::Line(line) => return self.line(task, line).await,
            Said::Trouble(reason) => self.note(task, reason),
        }
        Ok(())
    }

    async fn line(&mut self, task: TaskId, line: LogLine) -> Result<(), Gone> {
        self.bytes += line.text.len() + line.details.len();
        self.next.lines.push(pb::LogLine {
            task: task.to_string(),
            at: line.at.0,
            stream: match line.stream {
                LogStream::Out => pb::LogStream::Stdout,
                LogStream::Err => pb::LogStream::Stderr,
            }
            .into(),
            text: line.text,
            details: line.details,
        });
        // Short lines cost too.
        if self.bytes >= BATCH || self.next.lines.len() >= BATCH / 128 {
            self.flush().await?;
        }
        Ok(())
    }

    fn note(&mut self, task: TaskId, reason: String) {
        self.next.notes.push(pb::LogNote {
            node: self.node.to_string(),
            task: task.to_string(),
            reason,
            over: false,
        });
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        match self.next.lines.is_empty() && self.next.notes.is_empty() {
            true => Ok(()),
            false => self.flush_always().await,
        }
    }

    async fn flush_always(&mut self) -> Result<(), Gone> {
        self.bytes = 0;
        let sent = self.up.send(std::mem::take(&mut self.next)).await;
        sent.map_err(|_| Gone)
    }
}
