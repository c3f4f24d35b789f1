//! Managers come and go.

use model::Role;
use tonic::Code;
use wire::pb::{self, control_client::ControlClient, dispatcher_client::DispatcherClient};

use crate::{
    group::{Group, Seat, until},
    node::{Member, network, signing_request},
};

#[tokio::test]
async fn a_manager_that_joins_votes_and_answers_as_the_first_does() {
    let group = Group::of(2).await;
    group.seats[1]
        .control()
        .await
        .create_network(network("blue"))
        .await
        .unwrap();
    let mut first = group.seats[0].control().await;
    let networks = first.list_networks(pb::ListNetworksRequest::default()).await.unwrap();
    assert!(
        networks
            .into_inner()
            .networks
            .iter()
            .any(|n| n.spec.as_ref().unwrap().name == "blue")
    );
    group.end().await;
}

#[tokio::test]
async fn a_worker_is_promoted_and_demoted_and_the_last_manager_stays() {
    let mut group = Group {
        seats: vec![Seat::first().await],
    };
    let refused = group.wish(0, 0, pb::Role::Worker).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(refused.message(), "attempting to demote the last manager of the swarm");
    group.seats.push(Seat::joins(&group.seats[0], Role::Worker).await);
    group.wish(0, 1, pb::Role::Manager).await.unwrap();
    group.voters(0, 2).await;
    group.wish(1, 1, pb::Role::Worker).await.unwrap();
    group.voters(0, 1).await;
    until("the end of the demoted manager", async || {
        group.seats[1].handle.lock().await.is_none().then_some(())
    })
    .await;
    // Another member of raft than before.
    group.wish(0, 1, pb::Role::Manager).await.unwrap();
    group.voters(0, 2).await;
    assert_eq!(group.seats[1].with(|handle| handle.member()).await, 3);
    group.end().await;
}

#[tokio::test]
async fn a_leader_that_is_demoted_hands_over_and_goes() {
    let group = Group::of(3).await;
    let leader = group.leader().await;
    group.wish(leader, leader, pb::Role::Worker).await.unwrap();
    until("the end of the demoted leader", async || {
        group.seats[leader].handle.lock().await.is_none().then_some(())
    })
    .await;
    let other = (leader + 1) % 3;
    group.voters(other, 2).await;
    group.seats[other]
        .control()
        .await
        .create_network(network("blue"))
        .await
        .unwrap();
    group.end().await;
}

#[tokio::test]
async fn a_demoted_manager_is_certified_as_one_while_its_vote_is_needed_and_has_no_rights_any_more() {
    let mut group = Group::of(3).await;
    let leader = group.leader().await;
    let (demoted, dead) = ((leader + 1) % 3, (leader + 2) % 3);
    // Of those that would remain too few answer: raft keeps the demoted one.
    group.seats[dead].dies().await;
    group.wish(leader, demoted, pb::Role::Worker).await.unwrap();
    let member = Member::first(&group.seats[demoted].credentials, group.seats[leader].addr);
    let channel = member.channel().await;
    let (_, csr_pem) = signing_request();
    let renewed = DispatcherClient::new(channel.clone())
        .renew_certificate(pb::RenewCertificateRequest { csr_pem })
        .await;
    assert_eq!(renewed.unwrap().into_inner().role(), pb::Role::Manager);
    let nodes = ControlClient::new(channel)
        .list_nodes(pb::ListNodesRequest::default())
        .await;
    assert_eq!(nodes.unwrap_err().code(), Code::PermissionDenied);
    group.end().await;
}
