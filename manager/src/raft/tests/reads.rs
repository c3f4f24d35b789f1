//! Many reads at a time.

use tokio::sync::oneshot;

use super::{request::MAX_WAITING, waiting::Waiting, *};

#[test]
fn reads_that_come_together_are_one_to_raft() {
    let mut group = Group::of_three();
    group.run(40);
    let leader = group.leader().unwrap();
    let follower = (1..=3).find(|member| *member != leader).unwrap();
    let mut waiting = Waiting::default();
    let mut ask = |n: u128| {
        let (reply, answer) = oneshot::channel();
        waiting.read(RequestId::from_bits(n), reply);
        answer
    };
    let mut answers: Vec<_> = (1..=500).map(&mut ask).collect();
    let asking = group.members.get_mut(&follower).unwrap();
    waiting.ask_reads(asking);
    let mut sent = 0;
    for effect in asking.advance().unwrap() {
        if let Effect::Send { to, message, .. } = effect {
            sent += 1;
            group.members.get_mut(&to).unwrap().step(&message);
        }
    }
    assert_eq!(sent, 1);
    group.settle();
    assert_eq!(group.readable, [1]);
    let view = group.members[&follower].view();
    waiting.readable(RequestId::from_bits(1), &view);
    for answer in &mut answers {
        assert_eq!(answer.try_recv().unwrap().unwrap(), view);
    }
}

#[test]
fn who_reads_too_much_at_a_time_is_told() {
    let mut replica = started(lone());
    let mut waiting = Waiting::default();
    for round in 0..2 {
        let asked = (0..=MAX_WAITING as u128).map(|n| {
            let (reply, answer) = oneshot::channel();
            waiting.read(RequestId::from_bits(n), reply);
            answer
        });
        let mut answers: Vec<_> = asked.collect();
        let last = answers.pop().unwrap().try_recv();
        assert!(matches!(last, Ok(Err(ReadError::Busy))), "round {round}");
        waiting.ask_reads(&mut replica);
        waiting.readable(RequestId::from_bits(0), &replica.view());
        assert!(answers[0].try_recv().unwrap().is_ok());
    }
}
