//! Proposals that are repeated: carried out once, however late a copy comes, and answered by a snapshot too.

use std::time::{Duration, Instant};

use raft::eraftpb::Message;
use tokio::sync::oneshot;

use super::{apply::since, fixture::Nowhere, waiting::Waiting, *};

fn of(request: u128, command: Command) -> Vec<u8> {
    let request = RequestId::from_bits(request);
    Entry { request, command }.encode().unwrap()
}

fn last_stamp(group: &Group, member: u64) -> Option<u64> {
    let saved = group.members[&member].disk.clone().load().unwrap();
    saved.entries.last().and_then(since)
}

#[test]
fn a_copy_that_comes_when_the_first_is_forgotten_is_not_carried_out() {
    let mut group = Group::of_three();
    group.run(40);
    let leader = group.leader().unwrap();
    let follower = (1..=3).find(|member| *member != leader).unwrap();
    let mut waiting = Waiting::default();
    let (reply, _) = oneshot::channel();
    let asked = group.members[&follower].view().applied();
    let from = group.members.get_mut(&follower).unwrap();
    waiting.propose(from, RequestId::from_bits(1), None, entry(1), reply);
    group.settle();
    assert_eq!(last_stamp(&group, leader), Some(asked), "there may be more of it");
    group.run(4);
    assert_eq!(group.networks(), [1, 1, 1]);
    let remove = Command::RemoveNetwork {
        id: NetworkId::from_bits(1),
    };
    let others = (0..=store::REMEMBERED_REQUESTS as u128).map(|n| match n {
        0 => of(1_000_000, remove.clone()),
        n => of(1_000_000 + n, Command::Batch(Vec::new())),
    });
    for (n, other) in others.enumerate() {
        assert!(group.members.get_mut(&leader).unwrap().propose(other));
        if n % 500 == 0 {
            group.settle();
        }
    }
    group.run(4);
    assert_eq!(group.networks(), [0, 0, 0]);
    // Nobody told it of the answer, as after a snapshot.
    let from = group.members.get_mut(&follower).unwrap();
    waiting.look(from, Instant::now() + Duration::from_secs(1));
    group.run(4);
    assert_eq!(last_stamp(&group, leader), Some(asked));
    assert_eq!(group.networks(), [0, 0, 0], "it is not there again");
}

#[test]
fn what_a_leader_takes_from_itself_has_no_other_copy() {
    let mut group = Group::of_three();
    group.run(40);
    let leader = group.leader().unwrap();
    let (reply, _) = oneshot::channel();
    let from = group.members.get_mut(&leader).unwrap();
    Waiting::default().propose(from, RequestId::from_bits(1), None, entry(1), reply);
    group.run(4);
    assert_eq!((group.networks(), last_stamp(&group, leader)), (vec![1, 1, 1], None));
}

#[tokio::test]
async fn a_snapshot_answers_what_it_has_carried_out() {
    let mut leader = started(lone());
    leader.propose(entry(1));
    leader.advance().unwrap();
    let saved = Saved::of_sole_member(1, 5, &leader.view()).unwrap();
    let mut message = Message {
        to: 2,
        from: 1,
        term: 5,
        snapshot: Some(saved.snapshot).into(),
        ..Message::default()
    };
    message.set_msg_type(MessageType::MsgSnapshot);
    let members = message.mut_snapshot().mut_metadata().mut_conf_state();
    members.learners = vec![2];
    let disk = MemoryDisk::of(Replica::<MemoryDisk>::new_member(2));
    let driver = Driver::start(Replica::start(disk).unwrap(), Nowhere);
    let arrives = async { driver.step(vec![Incoming(message)]) };
    let (applied, ()) = tokio::join!(driver.propose(RequestId::from_bits(1), entry(1)), arrives);
    let applied = applied.unwrap();
    assert_eq!(applied.view.networks().count(), 1);
    assert!(applied.index > 1 && applied.index <= applied.view.applied());
    driver.stop();
    driver.ended().await;
}
