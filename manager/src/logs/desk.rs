//! What is wished of nodes at the moment, by all readings. Written by readings, read by sessions and by what nodes send.
//! Its lock is held for a step of computing, never across an await.

use std::collections::{BTreeMap, BTreeSet};

use model::{NodeId, RequestId, TaskId, Timestamp};
use tokio::sync::{mpsc, watch};
use tonic::Status;
use wire::pb;

use super::{intake::Intake, source::Said};
use crate::mint;

/// Readings at one time.
const MOST_READINGS: usize = 256;

/// What one reading wishes.
#[derive(Debug, Default)]
struct Wishes {
    follow: bool,
    details: bool,
    nodes: BTreeMap<NodeId, Wish>,
}

#[derive(Debug)]
struct Wish {
    /// Grows when the node is to begin anew.
    attempt: u32,
    tasks: BTreeMap<TaskId, Position>,
    to: mpsc::Sender<Said>,
    /// Streams that began for it.
    streams: u64,
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
            nodes: BTreeMap::new(),
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
            let wish = board
                .get_mut(subscription)
                .and_then(|wishes| wishes.nodes.get_mut(&node));
            if let Some(wish) = wish.filter(|wish| wish.attempt == attempt) {
                wish.streams += 1;
                found = Some((wish.to.clone(), wish.streams));
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

    /// The first of `tasks` that this reading does not wish of this node.
    pub(super) fn stranger(&self, node: NodeId, subscription: &str, tasks: &BTreeSet<TaskId>) -> Option<TaskId> {
        let board = self.board.borrow();
        let wish = board.get(subscription).and_then(|wishes| wishes.nodes.get(&node));
        let known = |task: &&TaskId| !wish.is_some_and(|wish| wish.tasks.contains_key(*task));
        tasks.iter().find(known).copied()
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

    /// Wishes the logs of more tasks of a node. What it sends goes to `to`.
    pub(super) fn wish(&self, node: NodeId, tasks: BTreeMap<TaskId, Position>, to: &mpsc::Sender<Said>) {
        self.change(|wishes| {
            let wish = wishes.nodes.entry(node).or_insert_with(|| Wish {
                attempt: 1,
                tasks: BTreeMap::new(),
                to: to.clone(),
                streams: 0,
            });
            wish.tasks.extend(tasks);
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
        self.change(|wishes| drop(wishes.nodes.remove(&node)));
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.desk.board.send_modify(|board| drop(board.remove(&self.id)));
    }
}

impl Wish {
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
    /// By subscription and attempt, how many tasks.
    told: Vec<(String, u32, usize)>,
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
            .map(|(id, _, wish)| (id.clone(), wish.attempt, wish.tasks.len()))
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
        };
        Some(pb::LogWishes {
            wishes: wished.map(wish).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks(ids: &[u128]) -> BTreeMap<TaskId, Position> {
        ids.iter()
            .map(|id| (TaskId::from_bits(*id), Position::default()))
            .collect()
    }

    #[test]
    fn a_node_is_told_what_is_wished_of_it_when_that_changes() {
        let (desk, node) = (Desk::default(), NodeId::from_bits(1));
        let mut told = desk.told(node);
        assert_eq!(told.news(), None);
        let (to, _inbox) = mpsc::channel(1);
        let opened = desk.open(true, false).unwrap();
        opened.wish(NodeId::from_bits(2), tasks(&[7]), &to);
        assert_eq!(told.news(), None, "another node's");
        opened.wish(node, tasks(&[3]), &to);
        let wish = told.news().unwrap().wishes.remove(0);
        assert_eq!((wish.attempt, wish.follow, wish.tasks.len()), (1, true, 1));
        assert_eq!(told.news(), None);
        opened.wish(node, tasks(&[4]), &to);
        assert_eq!(told.news().unwrap().wishes[0].tasks.len(), 2);
        opened.again(node, &BTreeMap::from([(TaskId::from_bits(3), Timestamp(9))]));
        let wish = told.news().unwrap().wishes.remove(0);
        assert_eq!((wish.attempt, wish.tasks[0].after, wish.tasks[1].after), (2, 9, 0));
        drop(opened);
        assert_eq!(told.news().unwrap().wishes, []);
    }

    #[test]
    fn only_what_is_wished_is_taken() {
        let (desk, node) = (Desk::default(), NodeId::from_bits(1));
        let (to, _inbox) = mpsc::channel(1);
        let opened = desk.open(false, false).unwrap();
        opened.wish(node, tasks(&[3]), &to);
        assert!(desk.intake(node, &opened.id, 1).is_ok());
        assert!(desk.intake(node, &opened.id, 2).is_err(), "no such attempt");
        assert!(desk.intake(NodeId::from_bits(2), &opened.id, 1).is_err());
        let sent: BTreeSet<TaskId> = [3, 4].map(TaskId::from_bits).into();
        assert_eq!(desk.stranger(node, &opened.id, &sent), Some(TaskId::from_bits(4)));
        let id = opened.id.clone();
        drop(opened);
        assert!(desk.intake(node, &id, 1).is_err());
    }

    #[test]
    fn readings_are_bounded() {
        let desk = Desk::default();
        let all: Vec<_> = (0..MOST_READINGS).map(|_| desk.open(false, false).unwrap()).collect();
        assert!(desk.open(false, false).is_err());
        drop(all);
        assert!(desk.open(false, false).is_ok());
    }
}
