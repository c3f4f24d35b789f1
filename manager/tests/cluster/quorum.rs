//! Managers that die, come back, and move.

use std::time::{Duration, Instant};

use manager::Hints;
use tokio::{sync::watch, time::sleep};
use tonic::Code;
use wire::pb::{self, control_client::ControlClient};

use crate::{
    group::{Group, free_addr, until},
    node::{Member, network},
};

const NO_QUORUM: &str = "The swarm does not have a leader. It's possible that too few managers are online.";

#[tokio::test]
async fn without_the_leader_the_others_go_on_and_without_a_majority_nobody_does_until_one_is_back() {
    let mut group = Group::of(3).await;
    let leader = group.leader().await;
    group.seats[leader].dies().await;
    let (other, third) = ((leader + 1) % 3, (leader + 2) % 3);
    group.seats[other]
        .control()
        .await
        .create_network(network("blue"))
        .await
        .unwrap();

    group.seats[third].dies().await;
    let began = Instant::now();
    let mut control = group.seats[other].control().await;
    let (write, read) = tokio::join!(
        async { group.seats[other].control().await.create_network(network("red")).await },
        control.list_networks(pb::ListNetworksRequest::default()),
    );
    for refused in [write.unwrap_err(), read.unwrap_err()] {
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
        assert!(refused.message().starts_with(NO_QUORUM), "{refused:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());

    let (addr, managers) = (group.seats[third].addr, vec![group.seats[other].addr]);
    group.seats[third].returns(addr, managers).await;
    until("a majority", async || {
        control.create_network(network("green")).await.ok()
    })
    .await;
    group.end().await;
}

#[tokio::test]
async fn a_demotion_that_would_cost_the_majority_is_refused() {
    let mut group = Group::of(3).await;
    let leader = group.leader().await;
    let (dead, other) = ((leader + 1) % 3, (leader + 2) % 3);
    group.seats[dead].dies().await;
    // At the leader and at another manager, as soon as the leader has noticed.
    for at in [leader, other] {
        until("an unreachable manager", async || {
            let mut control = group.seats[at].control().await;
            let nodes = control.list_nodes(pb::ListNodesRequest::default()).await.ok()?;
            (nodes.into_inner().unreachable == [group.seats[dead].id()]).then_some(())
        })
        .await;
        let refused = group.wish(at, other, pb::Role::Worker).await.unwrap_err();
        let words = "can't remove member from the raft: this would result in a loss of quorum";
        assert_eq!(refused.message(), words);
    }
    group.wish(other, dead, pb::Role::Worker).await.unwrap();
    group.voters(leader, 2).await;
    group.end().await;
}

#[tokio::test]
async fn a_manager_that_has_just_gone_does_not_count_for_those_that_remain() {
    let mut group = Group::of(3).await;
    let leader = group.leader().await;
    let (dead, other) = ((leader + 1) % 3, (leader + 2) % 3);
    group.seats[dead].dies().await;
    // Before the leader can have noticed: it takes the wish, and must not carry it out.
    group.wish(leader, other, pb::Role::Worker).await.unwrap();
    sleep(Duration::from_secs(2)).await;
    group.voters(leader, 3).await;
    let mut control = group.seats[leader].control().await;
    control.create_network(network("blue")).await.unwrap();
    let (addr, managers) = (group.seats[dead].addr, vec![group.seats[leader].addr]);
    group.seats[dead].returns(addr, managers).await;
    group.voters(leader, 2).await;
    group.end().await;
}

#[tokio::test]
async fn managers_that_come_back_elsewhere_are_found_by_the_one_that_stayed() {
    let mut group = Group::of(3).await;
    for seat in &mut group.seats {
        seat.dies().await;
    }
    let stayed = group.seats[0].addr;
    group.seats[0].returns(stayed, vec![stayed]).await;
    for seat in &mut group.seats[1..] {
        seat.returns(free_addr([127, 0, 0, 3]), vec![stayed]).await;
    }
    let mut control = group.seats[0].control().await;
    until("a majority", async || {
        control.create_network(network("blue")).await.ok()
    })
    .await;
    until("the new addresses in the state", async || {
        let view = group.seats[0].with(|handle| handle.view()).await;
        let known = |seat: &crate::group::Seat| {
            let node = view.node(seat.credentials.node)?;
            (node.manager_addr == Some(seat.addr) && node.status.addr == seat.addr.ip()).then_some(())
        };
        group.seats.iter().try_for_each(known)
    })
    .await;
    group.end().await;
}

#[tokio::test]
async fn managers_that_all_come_back_elsewhere_find_each_other_by_a_hint() {
    let mut group = Group::of(3).await;
    for seat in &mut group.seats {
        seat.dies().await;
    }
    let meeting = free_addr([127, 0, 0, 4]);
    group.seats[0].returns(meeting, vec![meeting]).await;
    for seat in &mut group.seats[1..] {
        seat.hints = Hints::of(&watch::Sender::new(vec![meeting.to_string()]));
        seat.returns(free_addr([127, 0, 0, 4]), vec![meeting]).await;
    }
    for at in 0..3 {
        let mut control = group.seats[at].control().await;
        until("a majority", async || {
            control.create_network(network(&format!("blue{at}"))).await.ok()
        })
        .await;
    }
    group.voters(0, 3).await;
    group.end().await;
}

#[tokio::test]
async fn a_manager_that_cannot_ask_the_others_grants_no_rights_by_what_it_heard_last() {
    let mut group = Group::of(2).await;
    let (asked, gone) = (0, 1);
    let caller = Member::first(&group.seats[gone].credentials, group.seats[asked].addr);
    let watch = |from_index| pb::WatchRequest {
        from_index,
        ..pb::WatchRequest::default()
    };
    let applied = group.seats[asked].with(|handle| handle.view().applied()).await;
    let mut control = ControlClient::new(caller.channel().await);
    control.watch(watch(applied)).await.unwrap();
    group.seats[gone].dies().await;
    // It may have been demoted since, as far as this one knows.
    let refused = control.watch(watch(applied)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().starts_with(NO_QUORUM), "{refused}");
    group.end().await;
}
