//! A node keeps ended containers for their logs until it hears that their tasks are forgotten.

use std::time::Duration;

use model::{Role, TaskId};
use tokio::time::timeout;
use wire::pb::{self, TaskState, session_down, session_up};

use crate::node::{Agent, bootstrap, join, network, operator, service};

impl Agent {
    async fn keeps(&self, tasks: &[&str]) {
        let tasks = tasks.iter().map(|task| (*task).to_owned()).collect();
        let message = Some(session_up::Message::Kept(pb::Kept { tasks }));
        self.up.send(pb::SessionUp { message }).await.unwrap();
    }

    /// What may go next. The node beats meanwhile.
    async fn forgotten(&mut self) -> Vec<String> {
        for _ in 0..100 {
            self.beat().await;
            let Ok(next) = timeout(Duration::from_millis(200), self.down.message()).await else {
                continue;
            };
            let message = next.unwrap().expect("the session goes on").message;
            if let Some(session_down::Message::Forgotten(forgotten)) = message {
                return forgotten.tasks;
            }
        }
        panic!("nothing is forgotten");
    }
}

#[tokio::test]
async fn ended_containers_may_go_when_their_tasks_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let token = manager.join_token(Role::Worker).unwrap();
    let member = join(manager.listen_addr(), &token).await.unwrap();
    let mut agent = member.agent("n2").await;
    let mut control = operator(&manager).await;
    control.create_network(network("blue")).await.unwrap();
    control.create_service(service("web", 1)).await.unwrap();
    let view = agent.view(|view| view.tasks.len() == 1).await;
    let task = view.tasks[0].id.clone();
    agent.report(&task, TaskState::Failed).await;
    agent.view(|view| view.tasks.iter().all(|other| other.id != task)).await;
    let stranger = TaskId::from_bits(7).to_string();
    agent.keeps(&[&task, &stranger]).await;
    assert_eq!(agent.forgotten().await, [stranger], "the other one is history");
    let remove = pb::RemoveRequest {
        r#ref: "web".to_owned(),
        ..pb::RemoveRequest::default()
    };
    control.remove_service(remove).await.unwrap();
    assert_eq!(agent.forgotten().await, [task]);
    manager.shutdown().await;
}
