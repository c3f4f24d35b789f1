//! Changes of the membership that wait until those that they need are heard.

use super::{wires::Wires, *};

async fn step(wires: &Wires, step: MemberStep, n: u32) -> Result<Applied, ProposeError> {
    let leader = wires.driver(1);
    let term = leader.published().borrow().standing.term;
    let change = MemberChange {
        node: NodeId::from_bits(2),
        raft_id: 2,
        at: Timestamp(0),
        step,
    };
    let id = RequestId::from_bits(n.into());
    leader.change_members(id, term, change, entry(n)).await
}

#[tokio::test]
async fn a_member_that_is_not_heard_gets_no_vote() {
    let wires = Wires::default();
    wires.add(1, Replica::start(lone()).unwrap());
    assert_eq!(wires.leader(None).await, 1);
    step(&wires, MemberStep::Learn, 1).await.unwrap();
    let disk = MemoryDisk::of(Replica::<MemoryDisk>::new_member(2));
    wires.add(2, Replica::start(disk).unwrap());
    let mut published = wires.driver(2).published();
    let told = published.wait_for(|published| published.view.networks().count() == 1);
    told.await.unwrap();
    // It has power no more, and was heard a moment ago.
    wires.mute(2, true);
    let why = step(&wires, MemberStep::Vote, 2).await.unwrap_err();
    assert!(matches!(why, ProposeError::Unheard), "{why}");
    let id = RequestId::from_bits(3);
    let applied = wires.driver(1).propose(id, entry(3)).await.unwrap();
    assert_eq!(applied.view.networks().count(), 2, "the one that was there goes on");
    wires.mute(2, false);
    step(&wires, MemberStep::Vote, 4).await.unwrap();
    wires.stop().await;
}
