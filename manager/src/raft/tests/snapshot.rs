//! A snapshot's way to a follower, of which raft's own messages may be lost.

use super::*;

/// A leader, and a follower that gets a snapshot whose receipt is lost.
fn unconfirmed() -> (Group, u64, u64) {
    let mut group = Group::of_three();
    group.run(40);
    let leader = group.leader().unwrap();
    let follower = [1, 2, 3].into_iter().find(|member| *member != leader).unwrap();
    group.cut_off.insert(follower);
    (1..=60).for_each(|n| group.propose(leader, n));
    group.cut_off.clear();
    group.unheard = Some(follower);
    group.run(10);
    group.unheard = None;
    (group, leader, follower)
}

fn known(group: &Group, member: u64) -> usize {
    group.members[&member].view().networks().count()
}

#[test]
fn a_leader_that_hears_how_a_snapshot_ended_goes_on_without_its_receipt() {
    for arrived in [true, false] {
        let (mut group, leader, follower) = unconfirmed();
        let before = known(&group, follower);
        assert!(before > 20, "the snapshot is there");
        group.propose(leader, 61);
        group.run(20);
        assert_eq!(known(&group, follower), before, "raft waits until it is told");
        group
            .members
            .get_mut(&leader)
            .unwrap()
            .snapshot_ended(follower, arrived);
        group.run(5);
        assert_eq!(known(&group, follower), 61);
    }
}
