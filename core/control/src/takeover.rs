//! One manager goes on alone: the others are gone for ever, or the state comes from a backup. What it has to say to the
//! state before raft begins again with it as the only member.

use model::{Node, NodeId, NodeState, Role, Timestamp};
use store::{Command, Kind, MemberChange, MemberStep, Refused, View};

use crate::request::planned;

/// Log indexes that are left out at least.
const INDEXES: u64 = 1 << 32;
/// Entries of the log in a millisecond at most, on the average of all the time in which a swarm goes on.
const INDEXES_PER_MS: u64 = 64;
/// Raft ids that are left out at least.
const RAFT_IDS: u64 = 1_000;

/// Log indexes between what one that goes on alone knows and what it says first, if it does at `at`. Its peers may have
/// gone further than it knows, and so may what they told nodes and followers of changes: all of that lies behind the gap,
/// and is told anew. So is what a swarm said that went on from the same state before: the later, the wider.
pub fn takeover_gap(at: Timestamp) -> u64 {
    INDEXES + millis(at) * INDEXES_PER_MS
}

/// Raft ids that are left out behind those that one that goes on alone at `at` knows: its peers may have taken in members
/// since, or a swarm from the same backup, and no raft id is used again. Whoever comes back with one of them hears that
/// it is gone.
pub fn raft_ids_gap(at: Timestamp) -> u64 {
    RAFT_IDS + millis(at)
}

/// Since the epoch.
fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.0 / 1_000_000).unwrap_or(0)
}

/// `own`, a member of raft, is the only manager from now on. The others are workers and no members any more: those of
/// them that come back find that out, and none votes again with the raft id that it had.
pub fn plan_sole_manager(view: &View, own: NodeId, at: Timestamp) -> Result<Command, Refused> {
    let node = known(view, own)?;
    if node.raft_id.is_none() {
        return Err(Refused::Invalid(format!("node {} is no manager", node.hostname())));
    }
    let through = view.highest_raft_id() + raft_ids_gap(at);
    let mut batch = vec![Command::SkipRaftIds { through }];
    if node.spec.role != Role::Manager {
        batch.push(wish(node, Role::Manager, at));
    }
    batch.extend(retire_others(view, own, at));
    planned(view, Command::Batch(batch))
}

/// The state of a backup goes on with `own`, a node that it does not know, as its only manager. Nobody has been heard:
/// nodes that were up have their grace to come back.
pub fn plan_restored(view: &View, own: Node, at: Timestamp) -> Result<Command, Refused> {
    let id = own.id;
    let up = view.nodes().filter(|node| node.status.state == NodeState::Ready);
    let unheard = up.map(|node| Command::NodeStatus {
        id: node.id,
        at,
        state: NodeState::Unknown,
        message: "not heard from since the swarm was restored".to_owned(),
    });
    let mut batch = vec![Command::UpsertNode(Box::new(own))];
    batch.extend(retire_others(view, id, at));
    batch.extend(unheard);
    planned(view, Command::Batch(batch))
}

fn known(view: &View, id: NodeId) -> Result<&Node, Refused> {
    let missing = || Refused::NotFound {
        kind: Kind::Node,
        what: id.to_string(),
    };
    view.node(id).ok_or_else(missing)
}

fn retire_others(view: &View, own: NodeId, at: Timestamp) -> Vec<Command> {
    let mut steps = Vec::new();
    for node in view.managers().filter(|node| node.id != own) {
        if node.spec.role == Role::Manager {
            steps.push(wish(node, Role::Worker, at));
        }
        steps.extend(node.raft_id.map(|raft_id| {
            Command::Member(MemberChange {
                node: node.id,
                raft_id,
                at,
                step: MemberStep::Leave,
            })
        }));
    }
    steps
}

fn wish(node: &Node, role: Role, at: Timestamp) -> Command {
    let mut spec = node.spec.clone();
    spec.role = role;
    Command::UpdateNodeSpec {
        id: node.id,
        version: node.version,
        at,
        spec,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::is_released;
    use crate::testbed::{Bed, node};

    const NOW: Timestamp = Timestamp(9);

    fn manager(id: u128, raft_id: u64) -> Node {
        let mut manager = node(id, &format!("n{id}"));
        manager.spec.role = Role::Manager;
        manager.raft_id = Some(raft_id);
        manager
    }

    /// Managers 1 to 3, of which 3 is on its way out, and worker 4.
    fn cluster() -> Bed {
        let mut bed = Bed::with_nodes(4);
        for id in 1..=3 {
            let mut manager = manager(id, id as u64);
            if id == 3 {
                manager.spec.role = Role::Worker;
            }
            bed.apply(Command::UpsertNode(Box::new(manager))).unwrap();
        }
        bed
    }

    fn members(bed: &Bed) -> Vec<(u128, u64)> {
        let members = bed.view().managers();
        let found = members.map(|node| {
            assert_eq!(node.spec.role, Role::Manager);
            (node.id.bits(), node.raft_id.unwrap())
        });
        found.collect()
    }

    #[test]
    fn the_survivor_is_the_only_manager_and_no_raft_id_comes_back() {
        for survivor in [1, 2, 3] {
            let mut bed = cluster();
            let own = NodeId::from_bits(survivor);
            let command = plan_sole_manager(bed.view(), own, NOW).unwrap();
            bed.apply(command).unwrap();
            assert_eq!(members(&bed), [(survivor, survivor as u64)]);
            assert_eq!(bed.view().highest_raft_id(), 3 + RAFT_IDS);
            for id in [1, 2, 3, 4, 900].into_iter().filter(|id| u128::from(*id) != survivor) {
                assert!(is_released(bed.view(), id), "also what it had not heard of");
            }
            assert_eq!(bed.view().nodes().count(), 4, "nobody is forgotten");
        }
    }

    #[test]
    fn who_goes_on_from_the_same_state_later_uses_nothing_again() {
        let now = Timestamp(1_800_000_000_000_000_000);
        let later = now + std::time::Duration::from_secs(10);
        assert!(raft_ids_gap(later) >= raft_ids_gap(now) + 10_000);
        assert!(takeover_gap(later) >= takeover_gap(now) + 10 * 64_000);
        let (first, second) = (cluster(), cluster());
        let through = [(first, now), (second, later)].map(|(mut bed, at)| {
            let command = plan_sole_manager(bed.view(), NodeId::from_bits(1), at).unwrap();
            bed.apply(command).unwrap();
            bed.view().highest_raft_id()
        });
        assert!(through[0] < through[1], "{through:?}");
        let many = (0..1_000).map(|_| takeover_gap(later));
        assert!(many.sum::<u64>() < 1 << 60, "there is room for many");
    }

    #[test]
    fn a_worker_and_a_stranger_take_nothing_over() {
        let bed = cluster();
        for other in [4, 5] {
            assert!(plan_sole_manager(bed.view(), NodeId::from_bits(other), NOW).is_err());
        }
    }

    #[test]
    fn a_restored_cluster_has_a_new_manager_and_waits_for_the_nodes_that_were_up() {
        let mut bed = cluster();
        let down = Command::NodeStatus {
            id: NodeId::from_bits(4),
            at: NOW,
            state: NodeState::Down,
            message: String::new(),
        };
        bed.apply(down).unwrap();
        let used = plan_restored(bed.view(), manager(9, 3), NOW);
        assert!(matches!(used, Err(Refused::RaftIdUsed { highest: 3, .. })), "{used:?}");
        let command = plan_restored(bed.view(), manager(9, 4), NOW).unwrap();
        bed.apply(command).unwrap();
        assert_eq!(members(&bed), [(9, 4)]);
        let states: Vec<_> = bed.view().nodes().map(|node| node.status.state).collect();
        use NodeState::{Down, Ready, Unknown};
        assert_eq!(states, [Unknown, Unknown, Unknown, Down, Ready]);
    }
}
