//! A whole agent over a fake engine and a fake network, from its start to its end.

use std::{sync::Arc, time::Duration};

use model::{Role, TaskId};
use plan::container::ContainerState;

use super::*;
use crate::{identity::fixture::Authority, network::fake::FakeNetwork, runtime::fake::FakeRuntime};

fn config(folder: &std::path::Path) -> AgentConfig {
    AgentConfig {
        data_root: folder.to_owned(),
        run_dir: folder.join("run"),
        docker_host: "unix:///nowhere".to_owned(),
        bpffs: folder.join("bpf"),
        cgroup: None,
        identity: Authority::new().identity(1, Role::Worker),
        managers: vec!["127.0.0.1:1".to_owned(), "127.0.0.1:1".to_owned()],
        hints: Hints::default(),
        addr: "192.0.2.1:2377".parse().unwrap(),
        vtep: "192.0.2.1".parse().unwrap(),
        generic_resources: Vec::new(),
    }
}

#[tokio::test]
async fn shutdown_leaves_everything_and_leave_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (runtime, network) = (Arc::new(FakeRuntime::default()), Arc::new(FakeNetwork::default()));
    runtime.place(TaskId::from_bits(1), ContainerState::Running);
    let start = || Agent::start_with(config(folder.path()), runtime.clone(), network.clone());

    start().await.unwrap().shutdown().await;
    assert_eq!(runtime.containers().len(), 1);
    assert!(!network.detached());

    let agent = start().await.unwrap();
    agent.leave().await.unwrap();
    assert!(runtime.containers().is_empty() && network.detached());
    assert!(!folder.path().join("agent").exists());
}

#[tokio::test]
async fn without_managers_the_status_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let (runtime, network) = (Arc::new(FakeRuntime::default()), Arc::new(FakeNetwork::default()));
    // A session waits for no engine.
    runtime.hang(true);
    let agent = Agent::start_with(config(folder.path()), runtime, network)
        .await
        .unwrap();
    for _ in 0..100 {
        let status = agent.status();
        assert_eq!(status.managers.len(), 1, "named twice, known once");
        if status.session.error.contains("127.0.0.1:1") {
            agent.shutdown().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{:?}", agent.status());
}
