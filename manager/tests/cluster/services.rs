//! From a request to what a node is told, and back to what the operator sees.

use std::time::{Duration, Instant};

use manager::ManagerHandle;
use model::Role;
use tonic::Code;
use wire::pb::{self, TaskState};

use crate::node::{Agent, Member, bootstrap, join, network, operator, service};

async fn worker(manager: &ManagerHandle, hostname: &str) -> (Member, Agent) {
    let token = manager.join_token(Role::Worker).unwrap();
    let member = join(manager.listen_addr(), &token).await.unwrap();
    let agent = member.agent(hostname).await;
    (member, agent)
}

#[tokio::test]
async fn a_service_reaches_its_node_within_milliseconds_and_its_state_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let (member, mut agent) = worker(&manager, "n2").await;
    agent.view(|_| true).await;
    let mut control = operator(&manager).await;
    control.create_network(network("blue")).await.unwrap();
    let began = Instant::now();
    let created = control.create_service(service("web", 2)).await.unwrap().into_inner();
    let view = agent.view(|view| view.tasks.len() == 2).await;
    // The goal is 20 ms; the bound leaves room for a busy machine.
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(view.networks.len(), 1);
    assert_eq!(created.vips.len(), 1);
    assert!(view.endpoints.iter().all(|endpoint| !endpoint.serving));

    let task = view.tasks[0].id.clone();
    agent.report(&task, TaskState::Running).await;
    let serving = |view: &pb::NodeView| view.endpoints.iter().filter(|e| e.serving).count() == 1;
    let running = agent.view(serving).await;
    assert!(running.seq > view.seq);
    let tasks = pb::ListTasksRequest {
        services: vec!["web".to_owned()],
        ..pb::ListTasksRequest::default()
    };
    let tasks = control.list_tasks(tasks).await.unwrap().into_inner().tasks;
    let reported = tasks.iter().find(|found| found.id == task).unwrap();
    assert_eq!(reported.node.as_deref(), Some(member.id.as_str()));
    assert_eq!(reported.status.as_ref().unwrap().state, i32::from(TaskState::Running));

    // An ended task leaves the rings at once, and another one takes its slot.
    agent.report(&task, TaskState::Failed).await;
    let replaced = agent
        .view(|view| view.tasks.iter().all(|t| t.id != task) && view.tasks.len() == 2)
        .await;
    assert!(replaced.endpoints.iter().all(|endpoint| endpoint.task != task));
    manager.shutdown().await;
}

#[tokio::test]
async fn requests_are_refused_in_dockers_words() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let mut control = operator(&manager).await;
    let unknown = control.create_service(service("web", 1)).await.unwrap_err();
    assert_eq!(
        (unknown.code(), unknown.message()),
        (Code::NotFound, "network blue not found")
    );
    control.create_network(network("blue")).await.unwrap();
    let twice = control.create_network(network("blue")).await.unwrap_err();
    assert_eq!(twice.code(), Code::AlreadyExists);
    let publish = |name: &str, port| {
        let mut request = service(name, 1);
        let port = pb::Port {
            published: Some(port),
            target: 80,
            protocol: pb::Protocol::Tcp.into(),
            mode: pb::PublishMode::Ingress.into(),
        };
        request.spec.as_mut().unwrap().ports.push(port);
        request
    };
    let own = control.create_service(publish("web", 2377)).await.unwrap_err();
    assert_eq!(own.code(), Code::InvalidArgument, "{own:?}");
    control.create_service(publish("web", 8080)).await.unwrap();
    let taken = control.create_service(publish("other", 8080)).await.unwrap_err();
    assert!(
        taken
            .message()
            .starts_with("port '8080' is already in use by service 'web'")
    );
    let remove = |what: &str| pb::RemoveRequest {
        r#ref: what.to_owned(),
        ..pb::RemoveRequest::default()
    };
    let used = control.remove_network(remove("blue")).await.unwrap_err();
    assert_eq!(used.message(), "network blue is in use by service web");
    let missing = control.remove_service(remove("nothing")).await.unwrap_err();
    assert_eq!(missing.message(), "service nothing not found");
    control.remove_service(remove("web")).await.unwrap();
    control.remove_network(remove("blue")).await.unwrap();
    manager.shutdown().await;
}

#[tokio::test]
async fn a_repeated_request_is_carried_out_once() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let mut control = operator(&manager).await;
    let mut create = network("blue");
    create.request = model::RequestId::from_bits(77).to_string();
    let first = control.create_network(create.clone()).await.unwrap().into_inner();
    let again = control.create_network(create).await.unwrap().into_inner();
    assert_eq!(first, again);
    manager.shutdown().await;
}

#[tokio::test]
async fn a_silent_node_goes_down_and_its_tasks_move() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let (silent, mut agent) = worker(&manager, "silent").await;
    let mut control = operator(&manager).await;
    control.create_network(network("blue")).await.unwrap();
    control.create_service(service("web", 1)).await.unwrap();
    let view = agent.view(|view| view.tasks.len() == 1).await;
    let (_, mut other) = worker(&manager, "other").await;
    let beating = other.up.clone();
    tokio::spawn(async move {
        let beat = pb::session_up::Message::Heartbeat(pb::Heartbeat::default());
        while beating
            .send(pb::SessionUp {
                message: Some(beat.clone()),
            })
            .await
            .is_ok()
        {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    });
    let moved = other.view(|view| view.tasks.len() == 1).await;
    assert_ne!(moved.tasks[0].id, view.tasks[0].id);
    let nodes = control
        .list_nodes(pb::ListNodesRequest::default())
        .await
        .unwrap()
        .into_inner()
        .nodes;
    let down = nodes.iter().find(|node| node.id == silent.id).unwrap();
    assert_eq!(down.status.as_ref().unwrap().state, i32::from(pb::NodeState::Down));
    // Heard again, it is back without a new session.
    agent.beat().await;
    let back = |n: &pb::Node| {
        n.id == silent.id
            && n.status
                .as_ref()
                .is_some_and(|s| s.state == i32::from(pb::NodeState::Ready))
    };
    let mut nodes = Vec::new();
    for _ in 0..100 {
        nodes = control
            .list_nodes(pb::ListNodesRequest::default())
            .await
            .unwrap()
            .into_inner()
            .nodes;
        if nodes.iter().any(back) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(nodes.iter().any(back));
    manager.shutdown().await;
}

#[tokio::test]
async fn a_second_session_of_a_node_ends_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let (member, mut first) = worker(&manager, "n2").await;
    first.view(|_| true).await;
    let mut second = member.agent("n2").await;
    second.view(|_| true).await;
    assert_eq!(first.end().await.code(), Code::Aborted);
    manager.shutdown().await;
}

#[tokio::test]
async fn a_spec_that_holds_up_the_managers_is_refused_and_one_that_does_not_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let (_member, mut agent) = worker(&manager, "n2").await;
    let mut control = operator(&manager).await;
    control.create_network(network("blue")).await.unwrap();
    let with_label = |name, bytes| {
        let mut request = service(name, 1);
        let label = pb::Label {
            name: "large".to_owned(),
            value: "x".repeat(bytes),
        };
        request.spec.as_mut().unwrap().labels.push(label);
        request
    };
    let refused = control.create_service(with_label("web", 5 << 20)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    for words in ["one may take 4194304", "configs"] {
        assert!(refused.message().contains(words), "{refused}");
    }
    // Its task has the label too.
    control.create_service(with_label("web", 3 << 20)).await.unwrap();
    agent.view(|view| view.tasks.len() == 1).await;
    manager.shutdown().await;
}
