//! Requests that are repeated because nobody heard their first answer.

use model::{RequestId, Role};
use tonic::{Code, transport::Channel};
use wire::pb::{self, control_client::ControlClient};

use crate::node::{bootstrap, join, network, operator, service};

fn id(number: u128) -> String {
    RequestId::from_bits(number).to_string()
}

fn remove(request: u128, what: &str) -> pb::RemoveRequest {
    pb::RemoveRequest {
        request: id(request),
        r#ref: what.to_owned(),
        force: true,
    }
}

/// Secret `db`, and service `web` that uses it.
async fn furnish(control: &mut ControlClient<Channel>) {
    control.create_network(network("blue")).await.unwrap();
    control.create_network(network("red")).await.unwrap();
    let secret = pb::CreatePayloadRequest {
        request: id(1),
        kind: pb::PayloadKind::Secret.into(),
        spec: Some(pb::PayloadSpec {
            name: "db".to_owned(),
            ..pb::PayloadSpec::default()
        }),
        data: b"1".to_vec(),
    };
    control.create_payload(secret).await.unwrap();
    let mut web = service("web", 1);
    web.spec.as_mut().unwrap().container.as_mut().unwrap().secrets = vec![pb::PayloadRef {
        name: "db".to_owned(),
        target: "db".to_owned(),
        uid: "0".to_owned(),
        gid: "0".to_owned(),
        ..pb::PayloadRef::default()
    }];
    control.create_service(web).await.unwrap();
}

#[tokio::test]
async fn a_repeated_rotation_answers_as_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let mut control = operator(&manager).await;
    furnish(&mut control).await;
    let rotation = pb::RotatePayloadRequest {
        request: id(2),
        kind: pb::PayloadKind::Secret.into(),
        r#ref: "db".to_owned(),
        data: b"2".to_vec(),
    };
    let first = control.rotate_payload(rotation.clone()).await.unwrap().into_inner();
    assert_eq!(first.services, ["web"]);
    let again = control.rotate_payload(rotation).await.unwrap().into_inner();
    assert_eq!(again, first);
    manager.shutdown().await;
}

#[tokio::test]
async fn a_repeated_removal_gets_the_first_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let mut control = operator(&manager).await;
    furnish(&mut control).await;
    let token = manager.join_token(Role::Worker).unwrap();
    let worker = join(manager.listen_addr(), &token).await.unwrap().id;
    for _ in 0..2 {
        control.remove_service(remove(3, "web")).await.unwrap();
    }
    for _ in 0..2 {
        control.remove_network(remove(4, "red")).await.unwrap();
    }
    for _ in 0..2 {
        control.remove_node(remove(5, &worker)).await.unwrap();
    }
    for _ in 0..2 {
        let secret = pb::RemovePayloadRequest {
            request: id(6),
            kind: pb::PayloadKind::Secret.into(),
            r#ref: "db".to_owned(),
        };
        control.remove_payload(secret).await.unwrap();
    }
    let another = control.remove_service(remove(7, "web")).await.unwrap_err();
    assert_eq!(another.code(), Code::NotFound);
    manager.shutdown().await;
}
