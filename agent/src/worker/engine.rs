//! Operations at the engine, each in a task of its own; the outcome comes back to the worker as news.

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use model::{HeldPort, TaskId, TaskState};
use plan::{
    container::{Asked, ContainerRequest, Step},
    tasks::{Listed, Outcome},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use crate::{
    gate::Papers,
    runtime::{Runtime, RuntimeError, Waiter},
    vault::Vault,
};

/// Before an operation that failed for the engine's sake is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What the worker hears from operations.
#[derive(Debug)]
pub enum News {
    /// All our containers, and the ports that others publish, as they were at `epoch` or later.
    Listed {
        epoch: u64,
        found: Vec<Listed>,
        held: Vec<HeldPort>,
    },
    /// An operation of a task has ended.
    Done { task: TaskId, outcome: Outcome },
    /// How far the preparation of a task is.
    Progress { task: TaskId, words: String },
    /// A container has answered.
    Answered {
        task: TaskId,
        container: String,
        asked: Asked,
        answer: Result<(), String>,
        /// Its start period is over.
        counts: bool,
    },
    /// The list could not be had.
    Unlisted,
}

/// Where the files are that containers get.
#[derive(Clone, Debug)]
pub struct Files {
    /// Secrets and configs.
    pub vault: Vault,
    /// What the gate wants to see.
    pub papers: Papers,
}

impl Files {
    /// Writes those of a container, and makes them mounts of it.
    async fn add(&self, mut request: ContainerRequest) -> Result<ContainerRequest, String> {
        let files = self.clone();
        let written = tokio::task::spawn_blocking(move || {
            let wanted = std::mem::take(&mut request.files);
            if !wanted.is_empty() {
                let kept = files.vault.write(request.task, &wanted);
                let kept = kept.map_err(|why| format!("cannot keep secrets and configs in memory: {why}"))?;
                request.spec.mounts.extend(kept);
            }
            let papers = files.papers.write(&request).map_err(|why| why.to_string())?;
            request.spec.mounts.extend(papers);
            Ok(request)
        });
        written.await.unwrap_or_else(|why| Err(why.to_string()))
    }

    /// Removes those of a task.
    pub fn wipe(&self, task: TaskId) -> io::Result<()> {
        self.papers.wipe(task)?;
        self.vault.wipe(task)
    }

    /// Removes those of all tasks but these.
    pub fn keep(&self, wanted: impl Fn(TaskId) -> bool) -> io::Result<()> {
        self.papers.keep(&wanted)?;
        self.vault.keep(wanted)
    }
}

/// Runs operations.
pub struct Engine {
    runtime: Arc<dyn Runtime>,
    files: Files,
    news: mpsc::Sender<News>,
    /// Whether a list is under way, and whether another is wanted after it: an engine that hangs gets one question.
    listing: bool,
    list_again: bool,
    /// Containers that are being made; true: not wanted any more.
    making: BTreeMap<TaskId, watch::Sender<bool>>,
    /// Operations in flight; they end with the worker.
    running: JoinSet<()>,
}

impl Engine {
    pub fn new(runtime: Arc<dyn Runtime>, files: Files, news: mpsc::Sender<News>) -> Self {
        Self {
            runtime,
            files,
            news,
            listing: false,
            list_again: false,
            making: BTreeMap::new(),
            running: JoinSet::new(),
        }
    }

    fn spawn(&mut self, operation: impl Future<Output = ()> + Send + 'static) {
        while self.running.try_join_next().is_some() {}
        self.running.spawn(operation);
    }

    /// Lists containers and published ports. An engine that does not answer is asked again by the next tick or event.
    pub fn list(&mut self, epoch: u64) {
        if std::mem::replace(&mut self.listing, true) {
            self.list_again = true;
            return;
        }
        let (runtime, news) = (self.runtime.clone(), self.news.clone());
        self.spawn(async move {
            let listed = async { Ok::<_, RuntimeError>((runtime.list().await?, runtime.published_ports().await?)) };
            match listed.await {
                Ok((found, held)) => {
                    let _ = news.send(News::Listed { epoch, found, held }).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot list containers");
                    let _ = news.send(News::Unlisted).await;
                }
            }
        });
    }

    /// A list has come, or not.
    pub fn listed(&mut self, epoch: u64) {
        self.listing = false;
        if std::mem::take(&mut self.list_again) {
            self.list(epoch);
        }
    }

    /// Containers of other tasks than the wanted ones are not waited for any more while their images are pulled.
    pub fn want(&self, wanted: impl Fn(TaskId) -> bool) {
        for (task, unwanted) in &self.making {
            unwanted.send_replace(!wanted(*task));
        }
    }

    /// The operation of a task has ended.
    pub fn done(&mut self, task: TaskId) {
        self.making.remove(&task);
    }

    /// Writes the container's files and makes it.
    pub fn create(&mut self, task: TaskId, request: ContainerRequest) {
        let (tell, unwanted) = watch::channel(false);
        self.making.insert(task, tell);
        let (runtime, news, files) = (self.runtime.clone(), self.news.clone(), self.files.clone());
        self.spawn(async move {
            let say = |words: &str| {
                let words = words.to_owned();
                // Who is too busy to hear of it hears the next one.
                let _ = news.try_send(News::Progress { task, words });
            };
            let waiter = Waiter {
                say: &say,
                unwanted: &unwanted,
            };
            let outcome = match files.add(request).await {
                Ok(request) => match make(&*runtime, &files.papers, &request, waiter).await {
                    Ok(id) => Outcome::Created(id),
                    Err(RuntimeError::Unwanted) => Outcome::Retry,
                    Err(error) => failed(TaskState::Rejected, error).await,
                },
                Err(why) => Outcome::Failed(TaskState::Rejected, why),
            };
            let _ = news.send(News::Done { task, outcome }).await;
        });
    }

    /// Writes the files of a container that is there, which a boot has taken, and starts it.
    pub fn restore(&mut self, task: TaskId, container: String, request: ContainerRequest) {
        let (runtime, news, files) = (self.runtime.clone(), self.news.clone(), self.files.clone());
        self.spawn(async move {
            let named = |request| files.papers.name(&request, &container).map_err(|why| why.to_string());
            let outcome = match files.add(request).await.and_then(named) {
                Ok(()) => start(&*runtime, &files.papers, task, &container).await,
                Err(why) => Outcome::Failed(TaskState::Failed, why),
            };
            let _ = news.send(News::Done { task, outcome }).await;
        });
    }

    /// Starts, stops or removes.
    pub fn perform(&mut self, task: TaskId, step: Step) {
        let (runtime, news, papers) = (self.runtime.clone(), self.news.clone(), self.files.papers.clone());
        self.spawn(async move {
            let outcome = perform(&*runtime, &papers, task, step).await;
            let _ = news.send(News::Done { task, outcome }).await;
        });
    }
}

/// Makes a container, and writes its name where it looks for it.
async fn make(
    runtime: &dyn Runtime,
    papers: &Papers,
    request: &ContainerRequest,
    waiter: Waiter<'_>,
) -> Result<String, RuntimeError> {
    let id = runtime.create(request, waiter).await?;
    let named = papers.name(request, &id);
    named.map_err(|why| RuntimeError::Engine(format!("cannot write the names of container {id}: {why}")))?;
    Ok(id)
}

async fn perform(runtime: &dyn Runtime, papers: &Papers, task: TaskId, step: Step) -> Outcome {
    match step {
        Step::Start { container } => start(runtime, papers, task, &container).await,
        Step::Stop { container, grace } => match runtime.stop(&container, grace).await {
            Ok(code) => Outcome::Stopped(code),
            Err(RuntimeError::NotFound(_)) => Outcome::Removed,
            Err(error) => again("stop", &error).await,
        },
        Step::Remove { container } => match runtime.remove(&container).await {
            Ok(()) => Outcome::Removed,
            Err(error) => again("remove", &error).await,
        },
        Step::Report(_) | Step::Prepare => Outcome::Retry,
    }
}

/// One that the gate did not let through fails for the gate's reason; the engine knows of a mount that went wrong.
async fn start(runtime: &dyn Runtime, papers: &Papers, task: TaskId, container: &str) -> Outcome {
    match runtime.start(container).await {
        Ok(state) => Outcome::Started(state),
        Err(error) => match papers.refusal(task) {
            Some(why) if !error.is_about_the_engine() => Outcome::Failed(TaskState::Failed, why),
            _ => failed(TaskState::Failed, error).await,
        },
    }
}

/// An engine that does not answer is no fault of the task.
async fn failed(state: TaskState, error: RuntimeError) -> Outcome {
    match error {
        error if error.is_about_the_engine() => again("reach the engine", &error).await,
        other => Outcome::Failed(state, other.to_string()),
    }
}

async fn again(what: &str, error: &RuntimeError) -> Outcome {
    tracing::warn!(%error, "cannot {what}, trying again");
    tokio::time::sleep(RETRY).await;
    Outcome::Retry
}
