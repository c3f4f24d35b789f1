//! An engine in memory, for tests of the worker: containers do what the test says.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use model::{HeldPort, NetworkId, TaskId};
use plan::container::{Container, ContainerRequest, ContainerState};
use tokio::sync::{mpsc, watch};

use super::{EngineFacts, Listed, Runtime, RuntimeError, RuntimeEvent};

#[derive(Default)]
struct Inside {
    containers: BTreeMap<String, Listed>,
    images: BTreeSet<String>,
    networks: BTreeSet<NetworkId>,
    calls: Vec<String>,
    listeners: Vec<mpsc::Sender<RuntimeEvent>>,
    made: u32,
}

/// A fake engine with a set of images.
#[derive(Default)]
pub struct FakeRuntime {
    inside: Mutex<Inside>,
    /// It takes calls and does not answer.
    hangs: watch::Sender<bool>,
}

impl FakeRuntime {
    /// An engine that has these images and nothing else.
    pub fn with_images(images: &[&str]) -> Self {
        let fake = Self::default();
        fake.inside().images = images.iter().map(|i| (*i).to_owned()).collect();
        fake
    }

    /// Puts a container of `task` there, as an earlier run of the agent would have left it.
    pub fn place(&self, task: TaskId, state: ContainerState) -> String {
        let mut inside = self.inside();
        inside.made += 1;
        let id = format!("c{}", inside.made);
        let container = Container { id: id.clone(), state };
        let listed = Listed {
            task,
            container,
            networks: vec![],
        };
        inside.containers.insert(id.clone(), listed);
        id
    }

    /// Ends the task's container with `code`, as its process would.
    pub fn exit(&self, task: TaskId, code: i64) {
        let state = ContainerState::Exited {
            code,
            error: String::new(),
        };
        let id = self
            .containers()
            .into_iter()
            .find(|c| c.task == task)
            .map(|c| c.container.id);
        if let Some(id) = id {
            self.inside().change(&id, Some(state));
        }
    }

    /// As [`FakeRuntime::exit`], and nobody hears of it.
    pub fn exit_unheard(&self, task: TaskId, code: i64) {
        let listeners = std::mem::take(&mut self.inside().listeners);
        self.exit(task, code);
        self.inside().listeners = listeners;
    }

    /// It ends and takes its containers with it.
    pub fn leave(&self) {
        self.inside().say(&RuntimeEvent::Leaving);
    }

    /// It is back.
    pub fn relist(&self) {
        self.inside().say(&RuntimeEvent::Relist);
    }

    /// Calls that wait for an answer.
    pub fn waiting(&self) -> usize {
        self.hangs.receiver_count()
    }

    /// Answers no more calls, or again. Its containers go on.
    pub fn hang(&self, hangs: bool) {
        self.hangs.send_replace(hangs);
    }

    /// Returns once it answers.
    async fn awake(&self) {
        let _ = self.hangs.subscribe().wait_for(|hangs| !hangs).await;
    }

    /// All containers.
    pub fn containers(&self) -> Vec<Listed> {
        self.inside().containers.values().cloned().collect()
    }

    /// Engine networks.
    pub fn networks(&self) -> Vec<NetworkId> {
        self.inside().networks.iter().copied().collect()
    }

    /// Calls so far, as `verb id`.
    pub fn calls(&self) -> Vec<String> {
        self.inside().calls.clone()
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn change(&mut self, id: &str, state: Option<ContainerState>) {
        let Some(listed) = self.containers.get_mut(id) else {
            return;
        };
        let task = listed.task;
        match &state {
            Some(state) => listed.container.state = state.clone(),
            None => drop(self.containers.remove(id)),
        }
        self.say(&RuntimeEvent::Changed {
            task,
            container: id.to_owned(),
            state: state.clone(),
        });
    }

    fn say(&self, event: &RuntimeEvent) {
        for listener in &self.listeners {
            let _ = listener.try_send(event.clone());
        }
    }

    fn create(&mut self, request: &ContainerRequest) -> Result<String, RuntimeError> {
        if !self.images.contains(&request.spec.image) {
            return Err(RuntimeError::NoImage {
                image: request.spec.image.clone(),
                reason: String::new(),
            });
        }
        self.made += 1;
        let id = format!("c{}", self.made);
        let networks: Vec<_> = request.endpoints.iter().map(|e| e.network).collect();
        self.networks.extend(&networks);
        let container = Container {
            id: id.clone(),
            state: ContainerState::Created,
        };
        let listed = Listed {
            task: request.task,
            container,
            networks,
        };
        self.containers.insert(id.clone(), listed);
        Ok(id)
    }
}

impl Runtime for FakeRuntime {
    fn ping(&self) -> BoxFuture<'_, Result<(), RuntimeError>> {
        async {
            self.awake().await;
            Ok(())
        }
        .boxed()
    }

    fn facts(&self) -> BoxFuture<'_, Result<EngineFacts, RuntimeError>> {
        async {
            self.awake().await;
            Ok(EngineFacts::default())
        }
        .boxed()
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Listed>, RuntimeError>> {
        async {
            self.awake().await;
            Ok(self.containers())
        }
        .boxed()
    }

    fn published_ports(&self) -> BoxFuture<'_, Result<Vec<HeldPort>, RuntimeError>> {
        async { Ok(vec![]) }.boxed()
    }

    fn create<'a>(&'a self, request: &'a ContainerRequest) -> BoxFuture<'a, Result<String, RuntimeError>> {
        async {
            self.awake().await;
            let mut inside = self.inside();
            inside.calls.push(format!("create {}", request.task));
            inside.create(request)
        }
        .boxed()
    }

    fn start<'a>(&'a self, container: &'a str) -> BoxFuture<'a, Result<(), RuntimeError>> {
        async move {
            self.awake().await;
            let mut inside = self.inside();
            inside.calls.push(format!("start {container}"));
            inside.change(container, Some(ContainerState::Running));
            Ok(())
        }
        .boxed()
    }

    fn stop<'a>(&'a self, container: &'a str, _grace: Duration) -> BoxFuture<'a, Result<i64, RuntimeError>> {
        async move {
            self.awake().await;
            let mut inside = self.inside();
            inside.calls.push(format!("stop {container}"));
            let state = ContainerState::Exited {
                code: 143,
                error: String::new(),
            };
            inside.change(container, Some(state));
            Ok(143)
        }
        .boxed()
    }

    fn remove<'a>(&'a self, container: &'a str) -> BoxFuture<'a, Result<(), RuntimeError>> {
        async move {
            self.awake().await;
            let mut inside = self.inside();
            inside.calls.push(format!("remove {container}"));
            inside.change(container, None);
            Ok(())
        }
        .boxed()
    }

    fn prune_networks<'a>(&'a self, needed: &'a [NetworkId]) -> BoxFuture<'a, Result<(), RuntimeError>> {
        async move {
            self.awake().await;
            self.inside().networks.retain(|n| needed.contains(n));
            Ok(())
        }
        .boxed()
    }

    fn events(&self) -> mpsc::Receiver<RuntimeEvent> {
        let (sender, receiver) = mpsc::channel(256);
        let _ = sender.try_send(RuntimeEvent::Relist);
        self.inside().listeners.push(sender);
        receiver
    }
}
