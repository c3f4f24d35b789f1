use store::{Command, State};

use super::*;
use crate::testbed::{Bed, node};

fn set(ids: &[u64]) -> BTreeSet<u64> {
    ids.iter().copied().collect()
}

/// Nodes 1 to `count`; the first `managers` of them are raft's members with the same ids and lead by 1.
fn group(count: u128, managers: u64) -> (Bed, Members) {
    let mut bed = Bed::with_nodes(count);
    for id in 1..=managers {
        let mut manager = node(u128::from(id), &format!("n{id}"));
        manager.spec.role = Role::Manager;
        manager.raft_id = Some(id);
        manager.manager_addr = Some(([192, 168, 0, 1], 2377).into());
        bed.apply(Command::UpsertNode(Box::new(manager))).unwrap();
    }
    let all: BTreeSet<u64> = (1..=managers).collect();
    let members = Members {
        own: 1,
        voters: all.clone(),
        learners: BTreeSet::new(),
        reachable: all.clone(),
        caught_up: all,
    };
    (bed, members)
}

fn wish(bed: &mut Bed, id: u128, role: Role) {
    let mut wished = bed.view().node(NodeId::from_bits(id)).unwrap().clone();
    wished.spec.role = role;
    wished.manager_addr = Some(([192, 168, 0, 9], 2377).into());
    bed.apply(Command::UpsertNode(Box::new(wished))).unwrap();
}

fn next(view: &State, members: &Members) -> Option<(u128, u64, MemberStep)> {
    match next_member_move(view, members, Timestamp(7)) {
        Some(MemberMove::Change(change)) => Some((change.node.bits(), change.raft_id, change.step)),
        Some(MemberMove::HandOver { to }) => panic!("hands over to {to}"),
        None => None,
    }
}

#[test]
fn a_promoted_node_learns_first_and_votes_when_it_has_caught_up() {
    let (mut bed, mut members) = group(3, 1);
    assert_eq!(next(bed.view(), &members), None);
    wish(&mut bed, 2, Role::Manager);
    let learn = next_member_move(bed.view(), &members, Timestamp(7)).unwrap();
    assert_eq!(next(bed.view(), &members), Some((2, 2, MemberStep::Learn)));
    let MemberMove::Change(change) = learn else { panic!() };
    bed.apply(Command::Member(change)).unwrap();
    members.learners = set(&[2]);
    assert_eq!(next(bed.view(), &members), None, "it has not even come yet");
    members.caught_up.insert(2);
    assert_eq!(next(bed.view(), &members), None, "caught up, and gone again");
    members.reachable.insert(2);
    assert!(!members.counts(2), "whoever relied on it would have no majority");
    assert_eq!(next(bed.view(), &members), Some((2, 2, MemberStep::Vote)));
    members.learners = set(&[]);
    members.voters.insert(2);
    assert!(members.counts(2));
}

#[test]
fn a_leader_that_hears_a_learner_only_gives_no_votes() {
    let (mut bed, mut members) = group(4, 4);
    wish(&mut bed, 4, Role::Manager);
    (members.voters, members.learners) = (set(&[1, 2, 3]), set(&[4]));
    members.reachable = set(&[1, 4]);
    assert_eq!(next(bed.view(), &members), None, "two of four would be no majority");
    members.reachable.insert(2);
    assert_eq!(next(bed.view(), &members), Some((4, 4, MemberStep::Vote)));
}

#[test]
fn a_node_whose_address_is_not_known_waits_and_holds_up_nobody() {
    let (mut bed, members) = group(3, 1);
    for id in [2, 3] {
        wish(&mut bed, id, Role::Manager);
    }
    let mut silent = bed.view().node(NodeId::from_bits(2)).unwrap().clone();
    silent.manager_addr = None;
    bed.apply(Command::UpsertNode(Box::new(silent))).unwrap();
    assert_eq!(next(bed.view(), &members), Some((3, 2, MemberStep::Learn)));
}

#[test]
fn a_demoted_leader_hands_over_and_a_demoted_follower_leaves() {
    let (mut bed, mut members) = group(3, 3);
    wish(&mut bed, 1, Role::Worker);
    members.caught_up = set(&[1, 3]);
    let found = next_member_move(bed.view(), &members, Timestamp(7));
    assert_eq!(found, Some(MemberMove::HandOver { to: 3 }), "2 lags");
    members.own = 3;
    assert_eq!(next(bed.view(), &members), Some((1, 1, MemberStep::Leave)));
}

#[test]
fn nobody_leaves_whose_going_would_cost_the_majority() {
    let (mut bed, mut members) = group(3, 3);
    members.reachable = set(&[1, 2]);
    let check = |bed: &Bed, members: &Members, id| check_demotion(bed.view(), members, NodeId::from_bits(id));
    assert_eq!(check(&bed, &members, 2), Err(Refused::QuorumAtRisk));
    assert_eq!(check(&bed, &members, 3), Ok(()), "the dead one may go");
    wish(&mut bed, 2, Role::Worker);
    assert_eq!(next(bed.view(), &members), None, "it waits");
    members.reachable.insert(3);
    assert_eq!(next(bed.view(), &members), Some((2, 2, MemberStep::Leave)));
}

#[test]
fn those_on_their_way_out_do_not_count_for_the_next_demotion() {
    let (mut bed, mut members) = group(3, 3);
    wish(&mut bed, 2, Role::Worker);
    members.reachable = set(&[1, 2, 3]);
    assert_eq!(check_demotion(bed.view(), &members, NodeId::from_bits(3)), Ok(()));
    members.reachable = set(&[1, 2]);
    let all_but_dead = check_demotion(bed.view(), &members, NodeId::from_bits(1));
    assert_eq!(all_but_dead, Err(Refused::QuorumAtRisk));
}

#[test]
fn a_learner_leaves_whatever_is_reachable() {
    let (mut bed, mut members) = group(3, 2);
    members.reachable = set(&[1]);
    members.voters = set(&[1]);
    members.learners = set(&[2]);
    wish(&mut bed, 2, Role::Worker);
    assert_eq!(next(bed.view(), &members), Some((2, 2, MemberStep::Leave)));
}

#[test]
fn who_was_dismissed_first_goes_first() {
    for [first, second] in [[2_u64, 3], [3, 2]] {
        let (mut bed, members) = group(3, 3);
        wish(&mut bed, first.into(), Role::Worker);
        wish(&mut bed, second.into(), Role::Worker);
        let step = next(bed.view(), &members);
        assert_eq!(step, Some((first.into(), first, MemberStep::Leave)));
    }
}
