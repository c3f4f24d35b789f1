//! Which nodes are up. The dispatcher's owner on the leader keeps one [`Heartbeats`], tells it what it hears, and
//! proposes what it answers. Not part of the state: a new leader starts with a fresh one, which gives every node the
//! whole grace.

use std::{collections::BTreeMap, time::Duration};

use model::{ClusterSettings, NodeId, NodeState, Timestamp};
use store::{Command, View};

/// When each node was heard last, by a clock of the leader that nobody sets: one that is set an hour ahead must not cost
/// every node its grace. Only what is proposed says `at` what time it was, by the wall clock.
#[derive(Clone, Debug)]
pub struct Heartbeats {
    since: Timestamp,
    last: BTreeMap<NodeId, Timestamp>,
}

fn grace(view: &View) -> Duration {
    let defaults = ClusterSettings::default();
    let settings = view.cluster().map_or(&defaults, |cluster| &cluster.settings);
    Duration::from_millis(u64::from(settings.heartbeat_ms) * u64::from(settings.heartbeat_grace))
}

impl Heartbeats {
    /// A leader that begins at `now`: nobody heard yet, everybody in time.
    pub fn starting(now: Timestamp) -> Self {
        Self {
            since: now,
            last: BTreeMap::new(),
        }
    }

    /// Notes a heartbeat or a session's begin, and answers with what has to be proposed, if the node was not ready.
    pub fn heard(&mut self, view: &View, id: NodeId, now: Timestamp, at: Timestamp) -> Option<Command> {
        self.last.insert(id, now);
        let node = view.node(id)?;
        (node.status.state != NodeState::Ready).then(|| Command::NodeStatus {
            id,
            at,
            state: NodeState::Ready,
            message: String::new(),
        })
    }

    fn deadline(&self, view: &View, id: NodeId) -> Timestamp {
        let last = self.last.get(&id).copied().unwrap_or(self.since);
        last.max(self.since) + grace(view)
    }

    /// The nodes whose time is over, as commands.
    pub fn overdue(&self, view: &View, now: Timestamp, at: Timestamp) -> Vec<Command> {
        let up = view.nodes().filter(|node| node.status.state != NodeState::Down);
        up.filter(|node| self.deadline(view, node.id) <= now)
            .map(|node| Command::NodeStatus {
                id: node.id,
                at,
                state: NodeState::Down,
                message: "heartbeat failure".to_owned(),
            })
            .collect()
    }

    /// When the next node will be overdue, if nothing is heard of it.
    pub fn next_deadline(&self, view: &View) -> Option<Timestamp> {
        let up = view.nodes().filter(|node| node.status.state != NodeState::Down);
        up.map(|node| self.deadline(view, node.id)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::Bed;

    const MS: i64 = 1_000_000;
    /// Whatever the wall clock shows.
    const AT: Timestamp = Timestamp(7_000_000 * MS);

    #[test]
    fn a_node_is_down_after_three_missed_heartbeats_and_up_again_when_heard() {
        let mut bed = Bed::with_nodes(2);
        let [a, b] = [1, 2].map(NodeId::from_bits);
        let mut beats = Heartbeats::starting(Timestamp(0));
        assert_eq!(beats.heard(bed.view(), a, Timestamp(800 * MS), AT), None);
        assert_eq!(beats.next_deadline(bed.view()), Some(Timestamp(2400 * MS)));
        assert!(
            beats.overdue(bed.view(), Timestamp(2399 * MS), AT).is_empty(),
            "the whole grace for everybody"
        );
        let down = beats.overdue(bed.view(), Timestamp(2400 * MS), AT);
        assert!(
            matches!(down.as_slice(), [Command::NodeStatus { id, at: AT, state: NodeState::Down, .. }] if *id == b)
        );
        bed.apply_all(down);
        assert!(
            beats.overdue(bed.view(), Timestamp(2401 * MS), AT).is_empty(),
            "said once"
        );
        let up = beats.heard(bed.view(), b, Timestamp(2500 * MS), AT);
        assert!(matches!(
            up,
            Some(Command::NodeStatus {
                state: NodeState::Ready,
                ..
            })
        ));
    }
}
