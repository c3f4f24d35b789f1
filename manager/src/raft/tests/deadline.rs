//! How requests end that get no answer.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{waiting::Waiting, *};

/// What a read of this member ends with when nothing that it sends arrives, after this long.
fn unanswered(replica: &mut Replica<MemoryDisk>, after: Duration) -> ReadError {
    let mut waiting = Waiting::default();
    let (reply, mut answer) = oneshot::channel();
    waiting.read(RequestId::from_bits(1), reply);
    waiting.ask_reads(replica);
    waiting.look(replica, Instant::now() + after);
    answer.try_recv().unwrap().unwrap_err()
}

#[test]
fn a_read_says_no_leader_only_where_there_is_none() {
    let mut group = Group::of_three();
    let alone = group.members.get_mut(&1).unwrap();
    assert_eq!(unanswered(alone, Duration::from_secs(3)), ReadError::NoLeader);
    group.run(40);
    let leader = group.leader().unwrap();
    let follower = group.members.values_mut().find(|replica| replica.member() != leader);
    let why = unanswered(follower.unwrap(), Duration::from_secs(11));
    assert!(matches!(why, ReadError::Deadline(_)), "{why}");
}
