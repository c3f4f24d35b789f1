//! What certificates are worth, over real connections. The whole matrix of methods is in `access`.

use model::Role;
use tonic::Code;
use wire::pb::{self, control_client::ControlClient, raft_transport_client::RaftTransportClient};

use crate::node::{Member, bootstrap, channel, join, operator};

fn all() -> pb::ListNodesRequest {
    pb::ListNodesRequest::default()
}

#[tokio::test]
async fn a_worker_may_not_use_the_clusters_api_nor_raft() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, first) = bootstrap(folder.path()).await;
    let token = manager.join_token(Role::Worker).unwrap();
    let worker = join(manager.listen_addr(), &token).await.unwrap().channel().await;
    let refused = ControlClient::new(worker.clone()).list_nodes(all()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(refused.message().starts_with("This node is not a swarm manager."));
    let raft = RaftTransportClient::new(worker).send(pb::RaftMessages::default()).await;
    assert_eq!(raft.unwrap_err().code(), Code::PermissionDenied);
    let first = Member::first(&first, manager.listen_addr()).channel().await;
    assert!(ControlClient::new(first).list_nodes(all()).await.is_ok());
    manager.shutdown().await;
}

#[tokio::test]
async fn no_certificate_is_good_for_joining_only() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let nobody = channel(manager.listen_addr(), None).await.unwrap();
    let refused = ControlClient::new(nobody).list_nodes(all()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    manager.shutdown().await;
}

#[tokio::test]
async fn a_certificate_of_another_cluster_does_not_even_connect() {
    let (folder, other_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (manager, _) = bootstrap(folder.path()).await;
    let (other, foreign) = bootstrap(other_folder.path()).await;
    let shown = Some((foreign.certificate_pem.as_str(), foreign.key_pem.as_str()));
    // TLS 1.3: the client learns of the refusal with its first call at the latest.
    if let Ok(channel) = channel(manager.listen_addr(), shown).await {
        let refused = ControlClient::new(channel).list_nodes(all()).await.unwrap_err();
        assert!(
            matches!(refused.code(), Code::Unavailable | Code::Unknown),
            "{refused:?}"
        );
    }
    manager.shutdown().await;
    other.shutdown().await;
}

#[tokio::test]
async fn a_removed_node_is_nobody_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let token = manager.join_token(Role::Worker).unwrap();
    let member = join(manager.listen_addr(), &token).await.unwrap();
    let mut agent = member.agent("n2").await;
    agent.view(|_| true).await;
    let mut control = operator(&manager).await;
    let mut remove = pb::RemoveRequest {
        request: String::new(),
        r#ref: "n2".to_owned(),
        force: false,
    };
    let refused = control.remove_node(remove.clone()).await.unwrap_err();
    assert_eq!(refused.message(), "node n2 is not down and can't be removed");
    remove.force = true;
    control.remove_node(remove).await.unwrap();
    let end = agent.end().await;
    assert_eq!(end.code(), Code::PermissionDenied, "{end:?}");
    let mut dispatcher = pb::dispatcher_client::DispatcherClient::new(member.channel().await);
    let again = dispatcher.leave(pb::LeaveClusterRequest {}).await.unwrap_err();
    assert!(again.message().contains("is not part of this swarm"), "{again:?}");
    manager.shutdown().await;
}
