//! The cluster's settings: read, compare-and-set, limits, and how they reach the nodes.

use tonic::Code;
use wire::pb::{self, session_down};

use crate::node::{Member, bootstrap, operator};

fn update(version: u64, settings: &pb::ClusterSettings) -> pb::UpdateClusterRequest {
    pb::UpdateClusterRequest {
        request: String::new(),
        version,
        settings: Some(settings.clone()),
    }
}

#[tokio::test]
async fn settings_change_by_compare_and_set_within_their_limits() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let mut control = operator(&manager).await;
    let cluster = control
        .get_cluster(pb::GetClusterRequest {})
        .await
        .unwrap()
        .into_inner();
    let mut settings = cluster.settings.clone().unwrap();
    settings.task_history_limit = 2;
    let updated = control.update_cluster(update(cluster.version, &settings)).await;
    let updated = updated.unwrap().into_inner();
    assert!(updated.version > cluster.version);
    assert_eq!(updated.settings.as_ref(), Some(&settings));

    let late = control
        .update_cluster(update(cluster.version, &settings))
        .await
        .unwrap_err();
    assert!(late.message().starts_with("update out of sequence"), "{late}");
    let short = pb::ClusterSettings {
        cert_expiry: 59 * 60 * 1_000_000_000,
        ..settings.clone()
    };
    let short = control
        .update_cluster(update(updated.version, &short))
        .await
        .unwrap_err();
    assert_eq!(short.code(), Code::InvalidArgument);
    assert!(short.message().starts_with("minimum certificate expiry"), "{short}");
    let moved = pb::ClusterSettings {
        data_port: 4790,
        ..settings
    };
    let moved = control
        .update_cluster(update(updated.version, &moved))
        .await
        .unwrap_err();
    assert!(moved.message().contains("swarm init"), "{moved}");
    manager.shutdown().await;
}

#[tokio::test]
async fn a_new_heartbeat_period_reaches_open_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, credentials) = bootstrap(folder.path()).await;
    let mut agent = Member::first(&credentials, manager.listen_addr()).agent("n1").await;
    agent.view(|_| true).await;
    let mut control = operator(&manager).await;
    let cluster = control
        .get_cluster(pb::GetClusterRequest {})
        .await
        .unwrap()
        .into_inner();
    let settings = pb::ClusterSettings {
        heartbeat_ms: 5000,
        ..cluster.settings.unwrap()
    };
    control
        .update_cluster(update(cluster.version, &settings))
        .await
        .unwrap();
    loop {
        if let session_down::Message::Welcome(welcome) = agent.next().await.unwrap() {
            assert_eq!(welcome.heartbeat_ms, 5000);
            break;
        }
    }
    manager.shutdown().await;
}
