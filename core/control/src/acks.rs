//! Who has what it was told: up to which log index the kernels of all nodes that are up show it. A task that is let go may
//! be stopped when that index is past its own: then nobody sends it new connections any more, and nobody is told of its
//! address.
//!
//! Kept by the leader's dispatcher, which says what happens in its sessions. Nothing of it is stored: a new leader learns
//! it from the first heartbeats of its sessions.

use std::collections::{BTreeMap, BTreeSet};

use model::{DesiredState, NodeId, NodeState, TaskId, TaskState};
use store::View;

use crate::Touched;

/// See the module. Sequence numbers of views are log indexes.
#[derive(Clone, Debug, Default)]
pub struct Acks {
    /// Up to here changes are known; 0: nothing is.
    seq: u64,
    seats: BTreeMap<NodeId, Seat>,
    /// Nodes that count, with their bounds.
    up: BTreeMap<NodeId, u64>,
    /// The same by bound: every message of every node asks for the least.
    bounds: BTreeSet<(u64, NodeId)>,
}

/// The session of one node; that of a later one has a larger number.
#[derive(Clone, Debug)]
struct Seat {
    session: u128,
    /// Index of the last update that it was sent.
    sent: Option<u64>,
    /// Index of the last update that its kernel has.
    applied: u64,
    /// First and last index of changes that it was not sent yet.
    owed: Option<(u64, u64)>,
}

impl Seat {
    /// Its kernel has all of its changes up to here.
    fn bound(&self) -> u64 {
        match (self.sent, self.owed) {
            (None, _) => 0,
            (Some(sent), _) if self.applied < sent => self.applied,
            (Some(_), Some((first, _))) => first.saturating_sub(1),
            (Some(_), None) => u64::MAX,
        }
    }
}

impl Acks {
    /// Changes up to `view` are on the board; those who are `touched` have to be told something, as a node is that has
    /// come, gone or changed its state.
    pub fn advance(&mut self, view: &View, touched: &Touched) {
        let everyone = touched.everyone || self.seq == 0;
        // It may be many entries at once: which of them concerns a node is not known.
        let from = self.seq + 1;
        self.seq = self.seq.max(view.applied());
        let known = || view.nodes().map(|node| node.id).chain(self.up.keys().copied());
        let nodes: BTreeSet<NodeId> = if everyone {
            known().collect()
        } else {
            touched.nodes.clone()
        };
        for node in nodes {
            if let Some(seat) = self.seats.get_mut(&node) {
                let first = seat.owed.map_or(from, |(first, _)| first);
                seat.owed = Some((first, self.seq));
            }
            let ready = view
                .node(node)
                .is_some_and(|node| node.status.state == NodeState::Ready);
            self.count(node, ready);
        }
    }

    /// A node counts, with the bound that it has now, or does not.
    fn count(&mut self, node: NodeId, counts: bool) {
        let bound = counts.then(|| self.seats.get(&node).map_or(0, Seat::bound));
        let before = match bound {
            Some(bound) => self.up.insert(node, bound),
            None => self.up.remove(&node),
        };
        if before != bound {
            before.map(|bound| self.bounds.remove(&(bound, node)));
            bound.map(|bound| self.bounds.insert((bound, node)));
        }
    }

    /// A seat is not what it was.
    fn recount(&mut self, node: NodeId) {
        self.count(node, self.up.contains_key(&node));
    }

    /// A session begins; it replaces the node's last one. One that comes late, when the node has a newer one already, gets
    /// no seat: with its end the node would be left without any, and nothing be let go while it is up.
    pub fn open(&mut self, node: NodeId, session: u128) {
        if self.seats.get(&node).is_some_and(|seat| seat.session > session) {
            return;
        }
        let seat = Seat {
            session,
            sent: None,
            applied: 0,
            owed: None,
        };
        self.seats.insert(node, seat);
        self.recount(node);
    }

    /// A session is over.
    pub fn close(&mut self, node: NodeId, session: u128) {
        if self.seat(node, session).is_some() {
            self.seats.remove(&node);
            self.recount(node);
        }
    }

    /// A session has read the board up to `read`; `sent`: the update with this index came of it.
    pub fn told(&mut self, node: NodeId, session: u128, read: u64, sent: Option<u64>) {
        if let Some(seat) = self.seat(node, session) {
            seat.sent = sent.or(seat.sent);
            seat.owed = seat
                .owed
                .filter(|(_, last)| *last > read)
                .map(|(_, last)| (read + 1, last));
            self.recount(node);
        }
    }

    /// A node's kernel has the view with this index.
    pub fn applied(&mut self, node: NodeId, session: u128, index: u64) {
        if let Some(seat) = self.seat(node, session) {
            seat.applied = seat.applied.max(index);
            self.recount(node);
        }
    }

    /// The kernels of all nodes that are up have all changes up to here.
    pub fn level(&self) -> u64 {
        self.bounds.first().map_or(u64::MAX, |(bound, _)| *bound).min(self.seq)
    }

    fn seat(&mut self, node: NodeId, session: u128) -> Option<&mut Seat> {
        self.seats.get_mut(&node).filter(|seat| seat.session == session)
    }
}

/// The tasks of a node that run and are let go, with the index up to which all nodes must have what they were told before
/// it may be stopped.
pub fn let_go(view: &View, node: NodeId) -> BTreeMap<TaskId, u64> {
    let tasks = view.tasks_on_node(node).filter(|task| {
        task.status.state == TaskState::Running
            && task.desired >= DesiredState::Shutdown
            && !task.attachments.is_empty()
    });
    // The task's last change is its wish, or later.
    tasks.map(|task| (task.id, task.version)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::{Bed, web};

    fn node(id: u128) -> NodeId {
        NodeId::from_bits(id)
    }

    fn touching(nodes: &[u128]) -> Touched {
        let mut touched = Touched::default();
        touched.nodes.extend(nodes.iter().copied().map(node));
        touched
    }

    /// Two nodes with sessions that have everything.
    fn settled() -> (Bed, Acks, u64) {
        let bed = Bed::with_nodes(2);
        let mut acks = Acks::default();
        acks.advance(bed.view(), &Touched::default());
        let seq = bed.view().applied();
        for id in [1, 2] {
            assert_eq!(acks.level(), 0, "nothing is known of node {id}");
            acks.open(node(id), id);
            acks.told(node(id), id, seq, Some(seq));
            acks.applied(node(id), id, seq);
        }
        assert_eq!(acks.level(), seq);
        (bed, acks, seq)
    }

    /// Something is applied that touches these nodes.
    fn change(bed: &mut Bed, acks: &mut Acks, nodes: &[u128]) -> u64 {
        bed.network(&format!("net{}", bed.view().applied()), |_| ()).unwrap();
        acks.advance(bed.view(), &touching(nodes));
        bed.view().applied()
    }

    #[test]
    fn a_change_counts_when_all_whom_it_touches_have_it() {
        let (mut bed, mut acks, before) = settled();
        let index = change(&mut bed, &mut acks, &[1, 2]);
        for id in [1, 2] {
            acks.told(node(id), id, index, Some(index));
            assert_eq!(acks.level(), before, "sent is not applied");
            acks.applied(node(id), id, index);
        }
        assert_eq!(acks.level(), index);
        let index = change(&mut bed, &mut acks, &[]);
        assert_eq!(acks.level(), index, "it touches nobody");
    }

    #[test]
    fn what_comes_while_an_update_is_on_its_way_does_not_hold_it_up() {
        let (mut bed, mut acks, _) = settled();
        let first = change(&mut bed, &mut acks, &[1]);
        acks.told(node(1), 1, first, Some(first));
        let second = change(&mut bed, &mut acks, &[1]);
        acks.applied(node(1), 1, first);
        assert_eq!(acks.level(), second - 1);
        acks.told(node(1), 1, second, None);
        assert_eq!(acks.level(), second, "it was nothing for that node");
    }

    #[test]
    fn entries_that_come_together_count_when_all_whom_they_touch_have_them() {
        let (mut bed, mut acks, before) = settled();
        let apply = |bed: &mut Bed| {
            bed.network(&format!("net{}", bed.view().applied()), |_| ()).unwrap();
            bed.view().applied()
        };
        let (first, last) = (apply(&mut bed), apply(&mut bed));
        acks.advance(bed.view(), &touching(&[1, 2]));
        assert!(first < last);
        assert_eq!(acks.level(), before, "nobody was told of the first");
        for id in [1, 2] {
            acks.told(node(id), id, last, Some(last));
            acks.applied(node(id), id, last);
        }
        assert_eq!(acks.level(), last);
    }

    #[test]
    fn nodes_that_are_down_do_not_count_and_new_sessions_begin_with_nothing() {
        let (mut bed, mut acks, before) = settled();
        let index = change(&mut bed, &mut acks, &[1, 2]);
        acks.told(node(1), 1, index, Some(index));
        acks.applied(node(1), 1, index);
        assert_eq!(acks.level(), before);
        bed.node_status(2, NodeState::Down);
        acks.advance(bed.view(), &touching(&[2]));
        assert_eq!(acks.level(), bed.view().applied());
        bed.node_status(2, NodeState::Ready);
        acks.open(node(2), 7);
        acks.advance(bed.view(), &touching(&[2]));
        acks.close(node(2), 2);
        acks.applied(node(2), 2, u64::MAX);
        assert_eq!(acks.level(), 0, "the old session has nothing to say");
    }

    #[test]
    fn an_older_session_that_comes_late_does_not_take_the_newer_ones_place() {
        let (bed, mut acks, seq) = settled();
        assert_eq!(acks.level(), seq);
        acks.open(node(2), 9);
        acks.open(node(2), 8);
        acks.told(node(2), 8, seq, Some(seq));
        acks.close(node(2), 8);
        assert_eq!(acks.level(), 0);
        acks.told(node(2), 9, seq, Some(seq));
        acks.applied(node(2), 9, seq);
        assert_eq!(acks.level(), bed.view().applied());
    }

    #[test]
    fn running_tasks_that_are_not_wanted_any_more_are_let_go() {
        let (mut bed, web) = web(1, 2, |_| ());
        assert!(let_go(bed.view(), node(1)).is_empty());
        bed.update(web, |spec| spec.mode = model::Mode::Replicated { replicas: 1 });
        bed.settle();
        let gone = let_go(bed.view(), node(1));
        let task = bed.view().tasks().find(|t| t.desired == DesiredState::Remove).unwrap();
        assert_eq!(gone, [(task.id, task.version)].into());
        bed.agents();
        assert!(let_go(bed.view(), node(1)).is_empty());
    }
}
