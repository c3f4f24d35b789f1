//! Which nodes are up. The dispatcher's owner on the leader keeps one [`Heartbeats`], tells it what it hears, and
//! proposes what it answers. Not part of the state: a new leader starts with a fresh one, which gives every node the
//! whole grace, and so does one that stood still.

use std::{collections::BTreeMap, time::Duration};

use model::{ClusterSettings, Node, NodeId, NodeState, Timestamp};
use store::{Command, View};

/// When each node was heard last, by a clock of the leader that nobody sets: one that is set an hour ahead must not cost
/// every node its grace. Only what is proposed says `at` what time it was, by the wall clock.
#[derive(Clone, Debug)]
pub struct Heartbeats {
    since: Timestamp,
    /// When it was judged last who is overdue.
    judged: Timestamp,
    /// When each node that is up was heard last, or else was first seen to be: one that has just joined has yet to open its
    /// first session.
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

fn up(view: &View) -> impl Iterator<Item = &Node> {
    view.nodes().filter(|node| node.status.state != NodeState::Down)
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
        let last = self.last.get(&id).copied().unwrap_or(self.judged);
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
        self.note(view, now);
        up(view)
            .filter(|node| self.deadline(view, node.id) <= now)
            .map(|node| Command::NodeStatus {
                id: node.id,
                at,
                state: NodeState::Down,
                message: "heartbeat failure".to_owned(),
            })
            .collect()
    }

    /// Nodes that are up from now on count from now on, those too that were before: who joins again with its old id does so
    /// to begin anew.
    fn note(&mut self, view: &View, now: Timestamp) {
        let is_up = |id: &NodeId| view.node(*id).is_some_and(|node| node.status.state != NodeState::Down);
        self.last.retain(|id, _| is_up(id));
        for node in up(view) {
            self.last.entry(node.id).or_insert(now);
        }
    }

    /// When to judge next, if there are nodes that are up: when one of them is overdue if nothing is heard of it, and
    /// often enough to notice standing still.
    pub fn next_deadline(&self, view: &View) -> Option<Timestamp> {
        let overdue = up(view).map(|node| self.deadline(view, node.id)).min()?;
        Some(overdue.min(self.judged + grace(view) / LOOKS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::{Bed, node};

    const MS: i64 = 1_000_000;
    /// Whatever the wall clock shows.
    const AT: Timestamp = Timestamp(7_000_000 * MS);

    #[test]
    fn a_node_is_down_after_three_missed_heartbeats_and_up_again_when_heard() {
        let mut bed = Bed::with_nodes(2);
        let [a, b] = [1, 2].map(NodeId::from_bits);
        let mut beats = Heartbeats::starting(Timestamp(0));
        assert!(beats.overdue(bed.view(), Timestamp(0), AT).is_empty());
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

    /// Who is said to be down while time goes from `from` to `to` and these are heard.
    fn lost(beats: &mut Heartbeats, bed: &Bed, (from, to): (i64, i64), heard: &[u128]) -> Vec<Command> {
        let looks = (from..to).step_by(400).map(|now| Timestamp(now * MS));
        let lost = looks.flat_map(|now| {
            for id in heard {
                beats.heard(bed.view(), NodeId::from_bits(*id), now, AT);
            }
            beats.overdue(bed.view(), now, AT)
        });
        lost.collect()
    }

    #[test]
    fn a_node_that_joins_or_joins_again_has_the_whole_grace_before_its_first_session() {
        let mut bed = Bed::with_nodes(1);
        let mut beats = Heartbeats::starting(Timestamp(0));
        assert_eq!(lost(&mut beats, &bed, (0, 8000), &[1]), []);
        for joins in [8000, 16_000] {
            let mut new = node(3, "n3");
            new.status.state = NodeState::Unknown;
            bed.apply(Command::UpsertNode(Box::new(new))).unwrap();
            assert_eq!(lost(&mut beats, &bed, (joins, joins + 2400), &[1]), []);
            let down = lost(&mut beats, &bed, (joins + 2400, joins + 2401), &[1]);
            assert_eq!(down.len(), 1, "{down:?}");
            bed.apply_all(down);
            assert_eq!(lost(&mut beats, &bed, (joins + 2800, joins + 8000), &[1]), []);
        }
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
