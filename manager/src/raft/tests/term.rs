//! What a leader decides belongs to its term: its successor does not carry it out.

use std::time::Instant;

use tokio::sync::oneshot;

use super::*;
use crate::raft::waiting::Waiting;

/// A group whose leader stands still until another one leads, and that does not know of it yet; with its term.
fn with_a_leader_of_the_past() -> (Group, u64, u64) {
    let mut group = Group::of_three();
    group.run(40);
    let old = group.leader().unwrap();
    let term = group.members[&old].standing().term;
    group.cut_off.insert(old);
    for _ in 0..60 {
        let others = group.members.values_mut().filter(|replica| replica.member() != old);
        others.for_each(Replica::tick);
        group.settle();
    }
    assert_ne!(group.leader(), Some(old));
    assert!(group.members[&old].standing().leads, "it believes so");
    group.cut_off.clear();
    (group, old, term)
}

/// What becomes of a proposal of that leader's, and the networks that each member knows in the end.
fn proposed(of_term: impl FnOnce(u64) -> Option<u64>) -> (Option<Result<Applied, ProposeError>>, Vec<usize>) {
    let (mut group, old, term) = with_a_leader_of_the_past();
    let mut waiting = Waiting::default();
    let (reply, mut answer) = oneshot::channel();
    let leader = group.members.get_mut(&old).unwrap();
    waiting.propose(leader, RequestId::from_bits(1), of_term(term), entry(1), reply);
    for _ in 0..40 {
        group.run(1);
        waiting.look(group.members.get_mut(&old).unwrap(), Instant::now());
    }
    (answer.try_recv().ok(), group.networks())
}

#[test]
fn what_a_leader_of_the_past_decided_is_given_up() {
    let (answer, networks) = proposed(Some);
    assert_eq!(answer.unwrap().unwrap_err(), ProposeError::Superseded);
    assert_eq!(networks, [0, 0, 0]);
    let (_, networks) = proposed(|_| None);
    assert_eq!(networks, [1, 1, 1], "what others asked for is handed on");
}

#[test]
fn a_member_takes_no_decision_of_a_term_in_which_it_does_not_lead() {
    let mut group = Group::of_three();
    group.run(40);
    let leader = group.leader().unwrap();
    let term = group.members[&leader].standing().term;
    for (member, replica) in &mut group.members {
        let of_term = if *member == leader { term - 1 } else { term };
        let (reply, mut answer) = oneshot::channel();
        Waiting::default().propose(replica, RequestId::from_bits(1), Some(of_term), entry(1), reply);
        assert_eq!(answer.try_recv().unwrap().unwrap_err(), ProposeError::Superseded);
    }
    group.run(4);
    assert_eq!(group.networks(), [0, 0, 0]);
}
