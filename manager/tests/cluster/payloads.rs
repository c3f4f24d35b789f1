//! Secrets and configs over the API: what is refused, what is told to whom, and what a rotation does.

use model::Role;
use tonic::Code;
use wire::pb::{self, PayloadKind, TaskState};

use crate::node::{bootstrap, join, network, operator, service};

fn create(kind: PayloadKind, name: &str, data: &[u8]) -> pb::CreatePayloadRequest {
    pb::CreatePayloadRequest {
        request: String::new(),
        kind: kind.into(),
        spec: Some(pb::PayloadSpec {
            name: name.to_owned(),
            labels: Vec::new(),
            templated: false,
        }),
        data: data.to_vec(),
    }
}

/// `web` with the secret `db`, by its name.
fn user() -> pb::CreateServiceRequest {
    let mut request = service("web", 1);
    let container = request.spec.as_mut().unwrap().container.as_mut().unwrap();
    container.secrets = vec![pb::PayloadRef {
        id: String::new(),
        name: "db".to_owned(),
        target: "db".to_owned(),
        uid: "0".to_owned(),
        gid: "0".to_owned(),
        mode: 0o444,
    }];
    request
}

fn remove(name: &str) -> pb::RemovePayloadRequest {
    pb::RemovePayloadRequest {
        request: String::new(),
        kind: PayloadKind::Secret.into(),
        r#ref: name.to_owned(),
    }
}

#[tokio::test]
async fn a_secret_reaches_the_nodes_of_its_tasks_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let token = manager.join_token(Role::Worker).unwrap();
    let member = join(manager.listen_addr(), &token).await.unwrap();
    let mut agent = member.agent("a").await;
    let mut control = operator(&manager).await;
    control.create_network(network("blue")).await.unwrap();
    let unknown = control.create_service(user()).await.unwrap_err();
    assert_eq!(
        (unknown.code(), unknown.message()),
        (Code::NotFound, "secret db not found")
    );
    let secret = control
        .create_payload(create(PayloadKind::Secret, "db", b"canary-1"))
        .await;
    let secret = secret.unwrap().into_inner();
    assert!(secret.data.is_empty() && secret.generation == 1);
    let config = control
        .create_payload(create(PayloadKind::Config, "db", b"shown"))
        .await;
    assert_eq!(config.unwrap().into_inner().data, b"shown", "a name per kind");
    let again = control
        .create_payload(create(PayloadKind::Secret, "db", b"x"))
        .await
        .unwrap_err();
    assert_eq!(again.code(), Code::AlreadyExists);
    let empty = control
        .create_payload(create(PayloadKind::Secret, "none", b""))
        .await
        .unwrap_err();
    assert!(empty.message().contains("must have between 1 and 511999"), "{empty}");

    control.create_service(user()).await.unwrap();
    let view = agent
        .view(|view| !view.payloads.is_empty() && !view.tasks.is_empty())
        .await;
    assert_eq!(view.payloads[0].data, b"canary-1");
    let used = control.remove_payload(remove("db")).await.unwrap_err();
    assert_eq!(used.message(), "secret 'db' is in use by the following service: web");

    let rotation = pb::RotatePayloadRequest {
        request: String::new(),
        kind: PayloadKind::Secret.into(),
        r#ref: "db".to_owned(),
        data: b"canary-2".to_vec(),
    };
    let rotated = control.rotate_payload(rotation).await.unwrap().into_inner();
    assert_eq!(rotated.services, ["web"]);
    assert_eq!(rotated.payload.unwrap().generation, 2);
    let task = view.tasks[0].id.clone();
    agent.report(&task, TaskState::Running).await;
    agent
        .view(|view| view.payloads.iter().any(|p| p.data == b"canary-2"))
        .await;

    let kind = PayloadKind::Unspecified.into();
    let all = control
        .list_payloads(pb::ListPayloadsRequest { kind, refs: Vec::new() })
        .await;
    let all = all.unwrap().into_inner().payloads;
    assert_eq!(all.len(), 2, "the latest ones: {all:?}");
    let leaks = all
        .iter()
        .any(|payload| payload.data.windows(6).any(|part| part == b"canary"));
    assert!(!leaks, "secrets are told by nobody");
    manager.shutdown().await;
    assert!(
        !contains(folder.path(), b"canary-1") && !contains(folder.path(), b"canary-2"),
        "on a manager's disk"
    );
}

/// Whether a file below `folder` has these bytes.
fn contains(folder: &std::path::Path, bytes: &[u8]) -> bool {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.into_iter().any(|path| match path.is_dir() {
        true => contains(&path, bytes),
        false => std::fs::read(&path)
            .unwrap()
            .windows(bytes.len())
            .any(|part| part == bytes),
    })
}

#[tokio::test]
async fn rights_of_the_host_are_the_clusters_to_give() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let mut control = operator(&manager).await;
    control.create_network(network("blue")).await.unwrap();
    let mut request = service("web", 1);
    request.spec.as_mut().unwrap().container.as_mut().unwrap().privileged = true;
    let refused = control.create_service(request.clone()).await.unwrap_err();
    assert!(
        refused.message().contains("swarm update --allow-privileged"),
        "{refused}"
    );
    let cluster = control
        .get_cluster(pb::GetClusterRequest {})
        .await
        .unwrap()
        .into_inner();
    let mut settings = cluster.settings.unwrap();
    settings.allow_privileged = true;
    let update = pb::UpdateClusterRequest {
        request: String::new(),
        version: cluster.version,
        settings: Some(settings),
    };
    control.update_cluster(update).await.unwrap();
    control.create_service(request).await.unwrap();
    manager.shutdown().await;
}
