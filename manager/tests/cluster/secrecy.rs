//! A node learns only what its own tasks need, and speaks for its own tasks only.

use manager::ManagerHandle;
use model::Role;
use wire::pb::{self, TaskState};

use crate::node::{Agent, bootstrap, join, network, operator, service};

async fn worker(manager: &ManagerHandle, hostname: &str) -> Agent {
    let token = manager.join_token(Role::Worker).unwrap();
    let member = join(manager.listen_addr(), &token).await.unwrap();
    member.agent(hostname).await
}

/// A service on its own network with a secret in its environment, on one node only.
fn secretive(name: &str, on: &str, secret: &str) -> pb::CreateServiceRequest {
    let mut request = service(name, 1);
    let spec = request.spec.as_mut().unwrap();
    spec.networks[0].network = format!("{name}-net");
    spec.constraints = vec![format!("node.hostname=={on}")];
    spec.container.as_mut().unwrap().env = vec![format!("SECRET={secret}")];
    request
}

/// All that the node is told up to what contains `marker`.
async fn told_until(agent: &mut Agent, marker: &str) -> String {
    let mut told = String::new();
    while !told.contains(marker) {
        told += &format!("{:?}\n", agent.next().await.unwrap());
    }
    told
}

#[tokio::test]
async fn what_belongs_to_another_nodes_tasks_is_never_told() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let (mut a, mut b) = (worker(&manager, "a").await, worker(&manager, "b").await);
    let mut control = operator(&manager).await;
    for (name, on) in [("first", "a"), ("second", "b")] {
        control.create_network(network(&format!("{name}-net"))).await.unwrap();
        let request = secretive(name, on, &format!("canary-{name}"));
        control.create_service(request).await.unwrap();
    }
    let told = told_until(&mut a, "canary-first").await;
    assert!(
        !told.contains("canary-second") && !told.contains("second-net"),
        "{told}"
    );
    let told = told_until(&mut b, "canary-second").await;
    assert!(!told.contains("canary-first") && !told.contains("first-net"), "{told}");
    let cluster = manager.view().cluster().unwrap().secrets.clone();
    for secret in [cluster.worker_token, cluster.manager_token, cluster.root_ca_key] {
        assert!(!told.contains(&secret), "a secret of the cluster");
    }
    manager.shutdown().await;
}

#[tokio::test]
async fn a_node_does_not_speak_for_another_nodes_task() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let (mut a, b) = (worker(&manager, "a").await, worker(&manager, "b").await);
    let mut control = operator(&manager).await;
    control.create_network(network("first-net")).await.unwrap();
    control.create_service(secretive("first", "a", "x")).await.unwrap();
    let task = a.view(|view| view.tasks.len() == 1).await.tasks[0].id.clone();
    // The forged report comes first; the true one that follows shows that it was passed over.
    b.report(&task, TaskState::Failed).await;
    b.report(&task, TaskState::Running).await;
    a.report(&task, TaskState::Preparing).await;
    let seen = loop {
        let all = control.list_tasks(pb::ListTasksRequest::default()).await.unwrap();
        let tasks = all.into_inner().tasks;
        assert_eq!(tasks.len(), 1, "nothing was replaced: {tasks:?}");
        let state = tasks[0].status.as_ref().unwrap().state();
        if state > TaskState::Assigned {
            break state;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    assert_eq!(seen, TaskState::Preparing);
    manager.shutdown().await;
}
