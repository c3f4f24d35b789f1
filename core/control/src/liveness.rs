//! Which nodes are up. The dispatcher's owner on the leader keeps one [`Heartbeats`], tells it what it hears, and
//! proposes what it answers. Not part of the state: a new leader starts with a fresh one, which gives every node the
//! whole grace, and so does one that stood still.

use std::{collections::BTreeMap, time::Duration};

use model::{ClusterSettings, NodeId, NodeState, Timestamp};
use store::{Command, View};

/// When each node was heard last, by a clock of the leader that nobody sets: one that is set an hour ahead must not cost
/// every node its grace. Only what is proposed says `at` what time it was, by the wall clock.
#[derive(Clone, Debug)]
pub struct Heartbeats {
    since: Timestamp,
    /// When it was judged last who is overdue.
    judged: Timestamp,
    last: BTreeMap<NodeId, Timestamp>,
}

/// A leader that has not judged for this part of the grace stood still. A node is heard every half of it at least (the
/// grace has two heartbeats or more), so whom a shorter standstill makes silent is within his grace.
const STOOD_STILL: u32 = 2;
/// It judges at least this often in a grace: a third of what counts as standing still, so that a late timer does not.
const LOOKS: u32 = 6;

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
            judged: now,
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

    /// The nodes whose time is over, as commands. Nobody's is if this was not asked for long: the leader stood still, its
    /// process or the whole machine, and what the nodes said meanwhile it has yet to read.
    pub fn overdue(&mut self, view: &View, now: Timestamp, at: Timestamp) -> Vec<Command> {
        let stood_still = now.since(self.judged) > grace(view) / STOOD_STILL;
        self.judged = now;
        if stood_still {
            self.since = now;
        }
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

    /// When to judge next, if there are nodes that are up: when one of them is overdue if nothing is heard of it, and
    /// often enough to notice standing still.
    pub fn next_deadline(&self, view: &View) -> Option<Timestamp> {
        let up = view.nodes().filter(|node| node.status.state != NodeState::Down);
        let overdue = up.map(|node| self.deadline(view, node.id)).min()?;
        Some(overdue.min(self.judged + grace(view) / LOOKS))
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
        for now in (400..2400).step_by(400) {
            assert_eq!(beats.next_deadline(bed.view()), Some(Timestamp(now * MS)));
            let overdue = beats.overdue(bed.view(), Timestamp(now * MS), AT);
            assert!(overdue.is_empty(), "the whole grace for everybody");
        }
        assert_eq!(beats.next_deadline(bed.view()), Some(Timestamp(2400 * MS)));
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

    #[test]
    fn a_leader_that_stood_still_gives_every_node_the_whole_grace() {
        let bed = Bed::with_nodes(2);
        let mut beats = Heartbeats::starting(Timestamp(0));
        assert!(beats.overdue(bed.view(), Timestamp(400 * MS), AT).is_empty());
        // What the nodes said meanwhile is not read yet.
        let mut now = 3400;
        while now < 3400 + 2400 {
            assert!(
                beats.overdue(bed.view(), Timestamp(now * MS), AT).is_empty(),
                "at {now}"
            );
            now += 400;
        }
        assert_eq!(beats.overdue(bed.view(), Timestamp(now * MS), AT).len(), 2);
    }
}
