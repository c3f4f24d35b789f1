//! What goes to the caller: lines in batches, whose they are before the first of them, and what is missing.

use std::collections::{BTreeMap, BTreeSet};

use model::{Node, NodeId, Task, TaskId};
use store::View;
use tokio::sync::mpsc;
use tonic::Status;
use wire::pb;

/// A response is sent when it holds this many bytes of text, or when nothing more is there at the moment.
const BATCH: usize = 64 << 10;

/// Nobody reads it any more.
#[derive(Debug)]
pub(super) struct Gone;

/// See the module.
pub(super) struct Telling {
    to: mpsc::Sender<Result<pb::LogsResponse, Status>>,
    next: pb::LogsResponse,
    bytes: usize,
    /// Whose tasks are, and whether that is told.
    origins: BTreeMap<String, (pb::LogOrigin, bool)>,
    /// Nodes that are said to be missing.
    missing: BTreeSet<NodeId>,
}

impl Telling {
    pub(super) fn new(to: mpsc::Sender<Result<pb::LogsResponse, Status>>) -> Self {
        Self {
            to,
            next: pb::LogsResponse::default(),
            bytes: 0,
            origins: BTreeMap::new(),
            missing: BTreeSet::new(),
        }
    }

    /// Lines of this task may follow.
    pub(super) fn expect(&mut self, view: &View, task: &Task) {
        let node = task.node.and_then(|node| view.node(node));
        let origin = pb::LogOrigin {
            task: task.id.to_string(),
            name: task.name(),
            service: task.service.to_string(),
            node: task.node.map(|node| node.to_string()).unwrap_or_default(),
            hostname: node.map(Node::hostname).unwrap_or_default(),
        };
        self.origins.entry(origin.task.clone()).or_insert((origin, false));
    }

    /// No lines of this task follow any more.
    pub(super) fn forget(&mut self, task: TaskId) {
        self.origins.remove(&task.to_string());
    }

    pub(super) async fn line(&mut self, line: pb::LogLine) -> Result<(), Gone> {
        if let Some((origin, told)) = self.origins.get_mut(&line.task)
            && !std::mem::replace(told, true)
        {
            self.next.origins.push(origin.clone());
        }
        self.bytes += line.text.len() + line.details.len();
        self.next.lines.push(line);
        // Short lines cost too.
        if self.bytes >= BATCH || self.next.lines.len() >= BATCH / 128 {
            self.flush().await?;
        }
        Ok(())
    }

    /// What a node says of one of its tasks.
    pub(super) fn note(&mut self, mut note: pb::LogNote) {
        let origin = self.origins.get(&note.task);
        let name = origin.map_or(note.task.clone(), |(origin, _)| {
            format!("{}.{}", origin.name, origin.task)
        });
        note.reason = format!("task {name}: {}", note.reason);
        self.next.notes.push(note);
    }

    /// Lines of a node are missing. Said once, until they are not any more.
    pub(super) fn missing(&mut self, view: &View, node: NodeId) {
        if self.missing.insert(node) {
            self.about(view, node, "is not available", false);
        }
    }

    /// They are not.
    pub(super) fn found(&mut self, view: &View, node: NodeId) {
        if self.missing.remove(&node) {
            self.about(view, node, "is available again", true);
        }
    }

    fn about(&mut self, view: &View, node: NodeId, words: &str, over: bool) {
        let name = view.node(node).map_or_else(|| node.to_string(), Node::hostname);
        self.next.notes.push(pb::LogNote {
            node: node.to_string(),
            task: String::new(),
            reason: format!("node {name} {words}"),
            over,
        });
    }

    /// Sends what there is.
    pub(super) async fn flush(&mut self) -> Result<(), Gone> {
        self.bytes = 0;
        let next = std::mem::take(&mut self.next);
        match next.lines.is_empty() && next.notes.is_empty() {
            true => Ok(()),
            false => self.to.send(Ok(next)).await.map_err(|_| Gone),
        }
    }
}
