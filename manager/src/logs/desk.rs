//! What is wished of nodes at the moment, by all readings. Written by readings, read by sessions and by what nodes send.
//! Its lock is held for a step of computing, never across an await.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::{NodeId, RequestId, TaskId, Timestamp};
use tokio::sync::{mpsc, watch};
use tonic::Status;
use wire::pb;

use super::{intake::Intake, source::Said};
use crate::mint;

/// Readings at one time.
const MOST_READINGS: usize = 256;

/// Tasks of one wish that were let go and may still have a line on its way. A line of another ends the stream, which
/// then begins anew.
const MOST_LET_GO: usize = 256;

/// What one reading wishes.
#[derive(Debug, Default)]
struct Wishes {
    follow: bool,
    details: bool,
    nodes: BTreeMap<NodeId, Wish>,
    /// The last attempt of nodes that are forgotten: none is made twice, though one of them may be wished for again.
    attempts: u32,
    /// Streams that began.
    streams: u64,
}

#[derive(Debug)]
struct Wish {
    /// Grows when the node is to begin anew.
    attempt: u32,
    /// Grows with every change of its tasks.
    revision: u64,
    tasks: BTreeMap<TaskId, Position>,
    /// Those of them whose containers are not waited for.
    ended: BTreeSet<TaskId>,
    /// The last that were let go.
    let_go: VecDeque<TaskId>,
    to: mpsc::Sender<Said>,
}

/// Where reading goes on in a task's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// Only lines later than that.
    pub(super) after: Timestamp,
    /// Only so many from the end.
    pub(super) tail: Option<u64>,
}

type Board = BTreeMap<String, Wishes>;

/// A handle; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Desk {
    board: watch::Sender<Board>,
}

impl Desk {
    /// A reading begins, with no wishes.
    pub(super) fn open(&self, follow: bool, details: bool) -> Result<Opened, Status> {
        let id = RequestId::from_bits(mint::bits()).to_string();
        let wishes = Wishes {
            follow,
            details,
            ..Wishes::default()
        };
        let mut full = false;
        self.board.send_if_modified(|board| {
            full = board.len() >= MOST_READINGS;
            if !full {
                board.insert(id.clone(), wishes);
            }
            !full
        });
        if full {
            return Err(Status::resource_exhausted(format!(
                "{MOST_READINGS} readers of logs are served already: end one of them"
            )));
        }
        Ok(Opened { id, desk: self.clone() })
    }

    /// What a session has told its node; nothing at first.
    pub(crate) fn told(&self, node: NodeId) -> Told {
        Told {
            node,
            board: self.board.subscribe(),
            told: Vec::new(),
        }
    }

    /// Takes what a node sends for a wish.
    pub(super) fn intake(&self, node: NodeId, subscription: &str, attempt: u32) -> Result<Intake, Status> {
        let mut found = None;
        self.board.send_if_modified(|board| {
            if let Some(wishes) = board.get_mut(subscription)
                && let Some(wish) = wishes.nodes.get(&node).filter(|wish| wish.attempt == attempt)
            {
                wishes.streams += 1;
                found = Some((wish.to.clone(), wishes.streams));
            }
            // It is nothing that nodes are told.
            false
        });
        let (to, stream) = found.ok_or_else(|| Status::not_found("nobody reads these logs of this node (any more)"))?;
        Ok(Intake {
            node,
            subscription: subscription.to_owned(),
            stream,
            to,
            desk: self.clone(),
        })
    }

    /// The first of `tasks` that this reading does not wish of this node, and did not until a moment ago.
    pub(super) fn stranger(&self, node: NodeId, subscription: &str, tasks: &BTreeSet<TaskId>) -> Option<TaskId> {
        let board = self.board.borrow();
        let wish = board.get(subscription).and_then(|wishes| wishes.nodes.get(&node));
        let knows = |wish: &Wish, task: &TaskId| wish.tasks.contains_key(task) || wish.let_go.contains(task);
        let stranger = |task: &&TaskId| !wish.is_some_and(|wish| knows(wish, task));
        tasks.iter().find(stranger).copied()
    }
}

/// A reading's side of the desk: its wishes, which end when it is dropped.
#[derive(Debug)]
pub(super) struct Opened {
    id: String,
    desk: Desk,
}

impl Opened {
    fn change(&self, change: impl FnOnce(&mut Wishes)) {
        self.desk.board.send_modify(|board| {
            if let Some(wishes) = board.get_mut(&self.id) {
                change(wishes);
            }
        });
    }

    /// Wishes the logs of more tasks of a node; `ended`: of all of its tasks, those that have by now. What it sends
    /// goes to `to`.
    pub(super) fn wish(
        &self,
        node: NodeId,
        tasks: BTreeMap<TaskId, Position>,
        ended: BTreeSet<TaskId>,
        to: &mpsc::Sender<Said>,
    ) {
        self.change(|wishes| {
            let attempt = wishes.attempts + 1;
            let wish = wishes
                .nodes
                .entry(node)
                .or_insert_with(|| Wish::new(attempt, to.clone()));
            wish.tasks.extend(tasks);
            wish.ended.extend(ended);
            wish.revision += 1;
        });
    }

    /// Wishes no more of these tasks of a node.
    pub(super) fn let_go(&self, node: NodeId, tasks: &BTreeSet<TaskId>) {
        self.change(|wishes| {
            if let Some(wish) = wishes.nodes.get_mut(&node) {
                wish.let_go(tasks);
            }
        });
    }

    /// Lets a node begin anew, where `seen` says.
    pub(super) fn again(&self, node: NodeId, seen: &BTreeMap<TaskId, Timestamp>) {
        self.change(|wishes| {
            if let Some(wish) = wishes.nodes.get_mut(&node) {
                wish.attempt += 1;
                wish.go_on(seen);
            }
        });
    }

    /// Nothing more is wished of a node.
    pub(super) fn forget(&self, node: NodeId) {
        self.change(|wishes| {
            if let Some(wish) = wishes.nodes.remove(&node) {
                wishes.attempts = wishes.attempts.max(wish.attempt);
            }
        });
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.desk.board.send_modify(|board| drop(board.remove(&self.id)));
    }
}

impl Wish {
    fn new(attempt: u32, to: mpsc::Sender<Said>) -> Self {
        Self {
            attempt,
            revision: 0,
            tasks: BTreeMap::new(),
            ended: BTreeSet::new(),
            let_go: VecDeque::new(),
            to,
        }
    }

    fn let_go(&mut self, tasks: &BTreeSet<TaskId>) {
        self.tasks.retain(|task, _| !tasks.contains(task));
        self.ended.retain(|task| !tasks.contains(task));
        self.let_go.extend(tasks);
        let most = self.let_go.len().saturating_sub(MOST_LET_GO);
        self.let_go.drain(..most);
        self.revision += 1;
    }

    fn go_on(&mut self, seen: &BTreeMap<TaskId, Timestamp>) {
        for (task, position) in &mut self.tasks {
            if let Some(at) = seen.get(task) {
                position.after = position.after.max(*at);
                position.tail = None;
            }
        }
    }

    fn positions(&self) -> Vec<pb::LogPosition> {
        let position = |(task, position): (&TaskId, &Position)| pb::LogPosition {
            task: task.to_string(),
            after: position.after.0,
            tail: position.tail,
        };
        self.tasks.iter().map(position).collect()
    }
}

/// What a session has told its node of these wishes.
pub(crate) struct Told {
    node: NodeId,
    board: watch::Receiver<Board>,
    /// By subscription and attempt, which revision.
    told: Vec<(String, u32, u64)>,
}

impl Told {
    /// Waits until wishes have changed.
    pub(crate) async fn changed(&mut self) {
        if self.board.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// All wishes for the node, if they differ from what it was told.
    pub(crate) fn news(&mut self) -> Option<pb::LogWishes> {
        let board = self.board.borrow_and_update();
        let wished = board.iter().filter_map(|(id, wishes)| {
            let wish = wishes.nodes.get(&self.node)?;
            Some((id, wishes, wish))
        });
        let now: Vec<_> = wished
            .clone()
            .map(|(id, _, wish)| (id.clone(), wish.attempt, wish.revision))
            .collect();
        if now == self.told {
            return None;
        }
        self.told = now;
        let wish = |(id, wishes, wish): (&String, &Wishes, &Wish)| pb::LogWish {
            subscription: id.clone(),
            attempt: wish.attempt,
            follow: wishes.follow,
            details: wishes.details,
            tasks: wish.positions(),
            ended: wish.ended.iter().map(ToString::to_string).collect(),
        };
        Some(pb::LogWishes {
            wishes: wished.map(wish).collect(),
        })
    }
}

#[cfg(test)]
mod tests;
