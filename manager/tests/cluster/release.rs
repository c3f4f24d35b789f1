//! Tasks that are let go are stopped when no node sends them new connections any more.

use std::time::Duration;

use manager::ManagerHandle;
use model::Role;
use tokio::time::timeout;
use wire::pb::{self, TaskState, session_down};

use crate::node::{Agent, Member, bootstrap, join, network, operator, service};

async fn worker(manager: &ManagerHandle, hostname: &str) -> (Member, Agent) {
    let token = manager.join_token(Role::Worker).unwrap();
    let member = join(manager.listen_addr(), &token).await.unwrap();
    let agent = member.agent(hostname).await;
    (member, agent)
}

impl Agent {
    /// Says that the kernel has the view with this number.
    async fn applied(&self, applied_seq: u64) {
        let beat = pb::Heartbeat {
            applied_seq,
            ..pb::Heartbeat::default()
        };
        let message = Some(pb::session_up::Message::Heartbeat(beat));
        self.up.send(pb::SessionUp { message }).await.unwrap();
    }

    async fn released(&mut self) -> Vec<String> {
        loop {
            if let session_down::Message::Released(released) = self.next().await.unwrap() {
                return released.tasks;
            }
        }
    }
}

#[tokio::test]
async fn a_task_is_released_when_all_nodes_have_taken_it_out() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let (_one, mut one) = worker(&manager, "n2").await;
    let (_two, mut two) = worker(&manager, "n3").await;
    let mut control = operator(&manager).await;
    control.create_network(network("blue")).await.unwrap();
    control.create_service(service("web", 2)).await.unwrap();
    let mut tasks = Vec::new();
    for agent in [&mut one, &mut two] {
        let view = agent.view(|view| view.tasks.len() == 1).await;
        agent.report(&view.tasks[0].id, TaskState::Running).await;
        tasks.push(view.tasks[0].id.clone());
    }
    let serving = |view: &pb::NodeView| view.endpoints.iter().filter(|e| e.serving).count();
    one.view(|view| serving(view) == 2).await;
    two.view(|view| serving(view) == 2).await;
    let remove = pb::RemoveRequest {
        r#ref: "web".to_owned(),
        ..pb::RemoveRequest::default()
    };
    control.remove_service(remove).await.unwrap();
    let gone = |view: &pb::NodeView| serving(view) == 0 && view.services.is_empty();
    let seen = [one.view(gone).await.seq, two.view(gone).await.seq];
    one.applied(seen[0]).await;
    let early = timeout(Duration::from_millis(300), one.released()).await;
    assert!(early.is_err(), "the other node has not acknowledged: {early:?}");
    two.applied(seen[1]).await;
    assert_eq!(one.released().await, tasks[..1]);
    assert_eq!(two.released().await, tasks[1..]);
    manager.shutdown().await;
}
