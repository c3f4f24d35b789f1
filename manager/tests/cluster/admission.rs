//! How machines become nodes, and which do not.

use manager::{InitParams, Manager};
use model::{JoinToken, Role};
use tonic::Code;
use wire::pb::{self, admission_client::AdmissionClient, dispatcher_client::DispatcherClient};

use crate::node::{bootstrap, channel, config, join, operator, signing_request};

#[tokio::test]
async fn a_token_gives_a_certificate_and_makes_a_node() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let token = manager.join_token(Role::Worker).unwrap();
    let member = join(manager.listen_addr(), &token).await.unwrap();
    let nodes = operator(&manager)
        .await
        .list_nodes(pb::ListNodesRequest::default())
        .await;
    let nodes = nodes.unwrap().into_inner();
    assert_eq!(nodes.nodes.len(), 2);
    assert_eq!(nodes.self_, nodes.leader);
    let joined = nodes.nodes.iter().find(|node| node.id == member.id).unwrap();
    assert_eq!(joined.status.as_ref().unwrap().addr, "127.0.0.2");
    assert_eq!(joined.spec.as_ref().unwrap().role, i32::from(pb::Role::Worker));
    manager.shutdown().await;
}

#[tokio::test]
async fn the_token_pins_the_root_certificate_that_the_manager_shows() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let token: JoinToken = manager.join_token(Role::Worker).unwrap().parse().unwrap();
    let mut admission = AdmissionClient::new(channel(manager.listen_addr(), None).await.unwrap());
    let root = admission.root_certificate(pb::RootCertificateRequest {}).await;
    let pem = root.unwrap().into_inner().pem;
    use rustls::pki_types::pem::PemObject;
    let der = rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    assert!(token.pins(ring::digest::digest(&ring::digest::SHA256, &der).as_ref()));
    manager.shutdown().await;
}

#[tokio::test]
async fn wrong_old_and_foreign_tokens_are_refused() {
    let (folder, other_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (manager, _) = bootstrap(folder.path()).await;
    let (other, _) = bootstrap(other_folder.path()).await;
    let old = manager.join_token(Role::Worker).unwrap();
    let rotate = pb::GetJoinTokenRequest {
        role: pb::Role::Worker.into(),
        rotate: true,
        ..Default::default()
    };
    let mut control = operator(&manager).await;
    let new = control.get_join_token(rotate).await.unwrap().into_inner().token;
    assert_ne!(old, new);
    let foreign = other.join_token(Role::Worker).unwrap();
    let unknown = "A valid join token is necessary to join this cluster";
    for (wrong, words) in [
        ("", "invalid join token: "),
        ("SWMTKN-1-x-y", "invalid join token: "),
        (old.as_str(), unknown),
        (foreign.as_str(), unknown),
    ] {
        let refused = join(manager.listen_addr(), wrong).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        assert!(refused.message().starts_with(words), "{refused}");
    }
    assert!(join(manager.listen_addr(), &new).await.is_ok());
    manager.shutdown().await;
    other.shutdown().await;
}

#[tokio::test]
async fn who_is_no_node_is_heard_only_as_far_as_a_join_needs() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let refused = join(manager.listen_addr(), &"x".repeat(32 << 10)).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
    manager.shutdown().await;
}

#[tokio::test]
async fn a_node_renews_its_own_certificate_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let token = manager.join_token(Role::Worker).unwrap();
    let member = join(manager.listen_addr(), &token).await.unwrap();
    let mut dispatcher = DispatcherClient::new(member.channel().await);
    let (_, csr_pem) = signing_request();
    let renewed = dispatcher
        .renew_certificate(pb::RenewCertificateRequest { csr_pem })
        .await;
    assert_eq!(renewed.unwrap().into_inner().node, member.id);
    manager.shutdown().await;
}

#[tokio::test]
async fn a_busy_control_port_is_named_with_the_option_that_helps() {
    let folder = tempfile::tempdir().unwrap();
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = config(folder.path());
    config.listen_addr = busy.local_addr().unwrap();
    let refused = Manager::bootstrap(config.clone(), InitParams::new())
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(refused.contains(&config.listen_addr.to_string()), "{refused}");
    assert!(refused.contains("--listen-addr"), "{refused}");
    assert!(!Manager::exists(&config), "nothing half-made");
}

#[tokio::test]
async fn a_second_bootstrap_in_the_same_folder_is_refused_and_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, credentials) = bootstrap(folder.path()).await;
    let again = Manager::bootstrap(config(folder.path()), InitParams::new()).await;
    assert!(again.is_err());
    manager.shutdown().await;
    let manager = Manager::start(config(folder.path()), credentials, None).await.unwrap();
    assert!(manager.proposer().read().await.unwrap().cluster().is_some());
    manager.shutdown().await;
}

#[tokio::test]
async fn the_state_of_another_cluster_is_refused_in_words() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (manager, _) = bootstrap(ours.path()).await;
    let (other, credentials) = bootstrap(theirs.path()).await;
    manager.shutdown().await;
    other.shutdown().await;
    let refused = Manager::start(config(ours.path()), credentials, None).await;
    let words = refused.err().unwrap().to_string();
    assert!(
        words.contains("another swarm") && words.contains("raft.redb"),
        "{words}"
    );
}
