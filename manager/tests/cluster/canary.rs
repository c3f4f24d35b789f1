//! A canary from the request to the nodes: they hear of the share with the service, and of the version with each endpoint.

use model::Role;
use tonic::Code;
use wire::pb::{self, TaskState};

use crate::node::{bootstrap, join, network, operator, service};

/// What a request is to do with the service.
fn update(service: &pb::Service, change: impl FnOnce(&mut pb::UpdateServiceRequest)) -> pb::UpdateServiceRequest {
    let mut request = pb::UpdateServiceRequest {
        r#ref: service.id.clone(),
        version: service.version,
        ..Default::default()
    };
    change(&mut request);
    request
}

fn of_image(service: &pb::Service, image: &str) -> Option<pb::ServiceSpec> {
    let mut spec = service.spec.clone().unwrap();
    spec.container.as_mut().unwrap().image = image.to_owned();
    Some(spec)
}

/// Tasks of each spec version that the view has, and that take new flows.
fn versions(view: &pb::NodeView, version: u64) -> (usize, usize) {
    let mine = view.endpoints.iter().filter(|e| e.spec_version == version);
    (mine.clone().count(), mine.filter(|e| e.serving).count())
}

fn share(view: &pb::NodeView) -> Option<(u32, u64)> {
    let canary = view.services.first()?.canary.as_ref()?;
    Some((canary.share, canary.first))
}

#[tokio::test]
async fn nodes_are_told_the_share_and_each_endpoints_version() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let token = manager.join_token(Role::Worker).unwrap();
    let member = join(manager.listen_addr(), &token).await.unwrap();
    let mut agent = member.agent("n2").await;
    agent.view(|_| true).await;
    let mut control = operator(&manager).await;
    control.create_network(network("blue")).await.unwrap();
    let web = control.create_service(service("web", 2)).await.unwrap().into_inner();
    let view = agent.view(|view| view.tasks.len() == 2).await;
    for task in &view.tasks {
        agent.report(&task.id, TaskState::Running).await;
    }
    agent.view(|view| versions(view, 1) == (2, 2)).await;

    let none = control
        .update_service(update(&web, |r| r.promote = true))
        .await
        .unwrap_err();
    assert_eq!(none.code(), Code::FailedPrecondition, "{none:?}");
    let both = update(&web, |r| (r.promote, r.abort) = (true, true));
    assert_eq!(
        control.update_service(both).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    let all = update(&web, |r| {
        (r.spec, r.canary) = (of_image(&web, "web:2"), Some(1_000_000))
    });
    assert_eq!(
        control.update_service(all).await.unwrap_err().code(),
        Code::InvalidArgument
    );

    let tenth = update(&web, |r| (r.spec, r.canary) = (of_image(&web, "web:2"), Some(100_000)));
    let canary = control.update_service(tenth).await.unwrap().into_inner();
    let state = canary.update_status.as_ref().unwrap().state;
    assert_eq!(state, i32::from(pb::UpdateState::Canary));
    let view = agent.view(|view| versions(view, 2) == (1, 0)).await;
    assert_eq!((share(&view), versions(&view, 1)), (Some((100_000, 2)), (2, 2)));
    let new = view.tasks.iter().find(|task| task.spec_version == 2).unwrap();
    agent.report(&new.id, TaskState::Running).await;
    agent.view(|view| versions(view, 2) == (1, 1)).await;

    let half = update(&canary, |r| (r.spec, r.canary) = (canary.spec.clone(), Some(500_000)));
    let canary = control.update_service(half).await.unwrap().into_inner();
    agent.view(|view| share(view) == Some((500_000, 2))).await;
    let aborted = control
        .update_service(update(&canary, |r| r.abort = true))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        aborted.spec.as_ref().unwrap().container,
        web.spec.as_ref().unwrap().container
    );
    // In one step: never without the share while it still takes flows.
    let view = agent.view(|view| share(view).is_none()).await;
    assert_eq!((versions(&view, 1), versions(&view, 2)), ((2, 2), (1, 0)));
    manager.shutdown().await;
}
