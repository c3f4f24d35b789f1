//! An engine in memory, for tests of the worker: containers do what the test says.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use model::{HealthTest, HeldPort, PullPolicy, TaskId};
use plan::container::{Container, ContainerRequest, ContainerState};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use super::{Answer, EngineFacts, Listed, LogLine, LogRequest, Question, Runtime, RuntimeError, RuntimeEvent, Waiter};

#[derive(Default)]
struct Inside {
    containers: BTreeMap<String, Listed>,
    images: BTreeSet<String>,
    /// Images that can be pulled.
    registry: BTreeSet<String>,
    /// Images whose pull does not end.
    hanging: BTreeSet<String>,
    /// Containers with a health check.
    checked: BTreeSet<String>,
    /// What containers answer to questions; those that are not here answer well.
    answers: BTreeMap<TaskId, String>,
    /// What the last container was made from.
    last: Option<ContainerRequest>,
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
    logs: watch::Sender<BTreeMap<TaskId, Log>>,
    /// Lines that readers took.
    read: Arc<AtomicUsize>,
}

/// What a container printed.
#[derive(Clone, Debug, Default)]
struct Log {
    lines: Vec<Result<LogLine, RuntimeError>>,
    /// It prints nothing more.
    ended: bool,
}

impl FakeRuntime {
    /// An engine that has these images and nothing else.
    pub fn with_images(images: &[&str]) -> Self {
        let fake = Self::default();
        fake.inside().images = images.iter().map(|i| (*i).to_owned()).collect();
        fake
    }

    /// Images that it can pull.
    pub fn with_registry(self, images: &[&str]) -> Self {
        self.inside().registry = images.iter().map(|i| (*i).to_owned()).collect();
        self
    }

    /// Images whose pull begins and does not end.
    pub fn with_hanging_pull(self, images: &[&str]) -> Self {
        self.inside().hanging = images.iter().map(|i| (*i).to_owned()).collect();
        self
    }

    /// The health check of a task's container comes to `state`.
    pub fn health(&self, task: TaskId, state: ContainerState) {
        if let Some(id) = self.container_of(task) {
            self.inside().change(&id, Some(state));
        }
    }

    /// What a task answers to questions from now on.
    pub fn answer(&self, task: TaskId, answer: Result<(), &str>) {
        let answers = &mut self.inside().answers;
        match answer {
            Ok(()) => answers.remove(&task),
            Err(why) => answers.insert(task, why.to_owned()),
        };
    }

    /// What the last container was made from.
    pub fn last_request(&self) -> Option<ContainerRequest> {
        self.inside().last.clone()
    }

    fn container_of(&self, task: TaskId) -> Option<String> {
        let mut containers = self.containers().into_iter();
        containers.find(|c| c.task == task).map(|c| c.container.id)
    }

    /// Puts a container of `task` there, as an earlier run of the agent would have left it.
    pub fn place(&self, task: TaskId, state: ContainerState) -> String {
        let mut inside = self.inside();
        inside.made += 1;
        let id = format!("c{}", inside.made);
        let container = Container { id: id.clone(), state };
        let listed = Listed { task, container };
        inside.containers.insert(id.clone(), listed);
        id
    }

    /// Ends the task's container with `code`, as its process would.
    pub fn exit(&self, task: TaskId, code: i64) {
        let state = ContainerState::Exited {
            code,
            error: String::new(),
        };
        if let Some(id) = self.container_of(task) {
            self.inside().change(&id, Some(state));
        }
    }

    /// As [`FakeRuntime::exit`], and nobody hears of it.
    pub fn exit_unheard(&self, task: TaskId, code: i64) {
        let listeners = std::mem::take(&mut self.inside().listeners);
        self.exit(task, code);
        self.inside().listeners = listeners;
    }

    /// A container of `task` prints a line, or reading its log fails there.
    pub fn print(&self, task: TaskId, line: Result<LogLine, RuntimeError>) {
        self.logs
            .send_modify(|logs| logs.entry(task).or_default().lines.push(line));
    }

    /// A container of `task` prints nothing more.
    pub fn end_log(&self, task: TaskId) {
        self.logs.send_modify(|logs| logs.entry(task).or_default().ended = true);
    }

    /// How many lines all readers of logs have taken.
    pub fn lines_read(&self) -> usize {
        self.read.load(Ordering::Relaxed)
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

    /// A pull that hangs is waited for as long as its container is wanted.
    async fn begin(&self, request: &ContainerRequest, waiter: Waiter<'_>) -> Result<(), RuntimeError> {
        self.inside().calls.push(format!("create {}", request.task));
        let hangs = self.inside().hanging.contains(&request.spec.image);
        if hangs {
            let _ = waiter.unwanted.clone().wait_for(|unwanted| *unwanted).await;
            return Err(RuntimeError::Unwanted);
        }
        Ok(())
    }

    /// All containers.
    pub fn containers(&self) -> Vec<Listed> {
        self.inside().containers.values().cloned().collect()
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

    /// As the engine: by policy, and with `always` what is here if the pull fails.
    fn pull(&mut self, request: &ContainerRequest, waiter: Waiter<'_>) -> Result<(), RuntimeError> {
        let image = &request.spec.image;
        let here = self.images.contains(image);
        let asks = match request.spec.pull {
            PullPolicy::Missing => !here,
            PullPolicy::Always => true,
            PullPolicy::Never => false,
        };
        if asks && self.registry.contains(image) {
            self.calls.push(format!("pull {image}"));
            (waiter.say)("pulling image: 50%");
            self.images.insert(image.clone());
        }
        match self.images.contains(image) {
            true => Ok(()),
            false => Err(RuntimeError::NoImage {
                image: image.clone(),
                reason: String::new(),
            }),
        }
    }

    fn create(&mut self, request: &ContainerRequest, waiter: Waiter<'_>) -> Result<String, RuntimeError> {
        self.pull(request, waiter)?;
        self.made += 1;
        let id = format!("c{}", self.made);
        let test = request.spec.health.as_ref().map(|health| &health.test);
        if matches!(test, Some(HealthTest::Exec(_) | HealthTest::Shell(_))) {
            self.checked.insert(id.clone());
        }
        self.last = Some(request.clone());
        let container = Container {
            id: id.clone(),
            state: ContainerState::Created,
        };
        let listed = Listed {
            task: request.task,
            container,
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

    fn create<'a>(
        &'a self,
        request: &'a ContainerRequest,
        waiter: Waiter<'a>,
    ) -> BoxFuture<'a, Result<String, RuntimeError>> {
        async move {
            self.awake().await;
            self.begin(request, waiter).await?;
            self.inside().create(request, waiter)
        }
        .boxed()
    }

    fn start<'a>(&'a self, container: &'a str) -> BoxFuture<'a, Result<ContainerState, RuntimeError>> {
        async move {
            self.awake().await;
            let mut inside = self.inside();
            inside.calls.push(format!("start {container}"));
            let state = match inside.checked.contains(container) {
                true => ContainerState::Starting,
                false => ContainerState::Running,
            };
            if let Some(listed) = inside.containers.get_mut(container) {
                listed.container.state = state.clone();
            }
            Ok(state)
        }
        .boxed()
    }

    fn ask<'a>(
        &'a self,
        container: &'a str,
        _: &'a Question,
        patience: Duration,
    ) -> BoxFuture<'a, Result<Answer, RuntimeError>> {
        async move {
            let host = "fake".to_owned();
            let awake = timeout(patience, self.awake()).await;
            awake.map_err(|_| RuntimeError::Silent { host })?;
            let inside = self.inside();
            let task = inside.containers.get(container).map(|listed| listed.task);
            let bad = task.and_then(|task| inside.answers.get(&task));
            Ok(bad.map_or(Ok(()), |why| Err(why.clone())))
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

    fn logs(&self, task: TaskId, request: LogRequest) -> mpsc::Receiver<Result<LogLine, RuntimeError>> {
        let (lines, receiver) = mpsc::channel(1);
        tokio::spawn(print(self.logs.subscribe(), task, request, lines, self.read.clone()));
        receiver
    }

    fn events(&self) -> mpsc::Receiver<RuntimeEvent> {
        let (sender, receiver) = mpsc::channel(256);
        let _ = sender.try_send(RuntimeEvent::Relist);
        self.inside().listeners.push(sender);
        receiver
    }
}

async fn print(
    mut logs: watch::Receiver<BTreeMap<TaskId, Log>>,
    task: TaskId,
    request: LogRequest,
    to: mpsc::Sender<Result<LogLine, RuntimeError>>,
    read: Arc<AtomicUsize>,
) {
    let mut told = None;
    loop {
        let log = logs.borrow_and_update().get(&task).cloned();
        let Some(log) = log else {
            let _ = to.send(Err(RuntimeError::NotFound("no container".to_owned()))).await;
            return;
        };
        let tail = request.tail.and_then(|count| usize::try_from(count).ok());
        let first = told.unwrap_or_else(|| tail.map_or(0, |count| log.lines.len().saturating_sub(count)));
        for line in &log.lines[first..] {
            let wanted = line.as_ref().is_ok_and(|line| line.at > request.after) || line.is_err();
            if wanted && to.send(line.clone()).await.is_err() {
                return;
            }
            read.fetch_add(1, Ordering::Relaxed);
        }
        told = Some(log.lines.len());
        if !request.follow || log.ended || logs.changed().await.is_err() {
            return;
        }
    }
}
