//! Operations at the engine, each in a task of its own; the outcome comes back to the worker as news.

use std::{io, sync::Arc, time::Duration};

use model::{HeldPort, NetworkId, TaskId, TaskState};
use plan::container::{Asked, ContainerRequest, ContainerState, Step};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    runtime::{Listed, Runtime, RuntimeError},
    vault::Vault,
};

/// Before an operation that failed for the engine's sake is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What an operation came to.
#[derive(Debug)]
pub enum Outcome {
    /// The container is made.
    Created(String),
    /// It is started, and is so.
    Started(ContainerState),
    /// It has ended, with this code.
    Stopped(i64),
    /// It is gone.
    Removed,
    /// Nothing was reached; the same is to be tried again.
    Retry,
    /// The task cannot go on.
    Failed(TaskState, String),
}

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
    /// Superfluous networks are removed.
    Pruned,
}

/// Runs operations.
pub struct Engine {
    runtime: Arc<dyn Runtime>,
    vault: Vault,
    news: mpsc::Sender<News>,
    /// While networks are being removed, no container may be made in one.
    pruning: bool,
    /// Whether a list is under way, and whether another is wanted after it: an engine that hangs gets one question.
    listing: bool,
    list_again: bool,
    /// Operations in flight; they end with the worker.
    running: JoinSet<()>,
}

impl Engine {
    pub fn new(runtime: Arc<dyn Runtime>, vault: Vault, news: mpsc::Sender<News>) -> Self {
        Self {
            runtime,
            vault,
            news,
            pruning: false,
            listing: false,
            list_again: false,
            running: JoinSet::new(),
        }
    }

    fn spawn(&mut self, operation: impl Future<Output = ()> + Send + 'static) {
        while self.running.try_join_next().is_some() {}
        self.running.spawn(operation);
    }

    pub fn is_pruning(&self) -> bool {
        self.pruning
    }

    pub fn pruned(&mut self) {
        self.pruning = false;
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

    /// Writes the container's files and makes it.
    pub fn create(&mut self, task: TaskId, request: ContainerRequest) {
        let (runtime, news, vault) = (self.runtime.clone(), self.news.clone(), self.vault.clone());
        self.spawn(async move {
            let say = |words: &str| {
                let words = words.to_owned();
                // Who is too busy to hear of it hears the next one.
                let _ = news.try_send(News::Progress { task, words });
            };
            let outcome = match with_files(&vault, request).await {
                Ok(request) => match runtime.create(&request, &say).await {
                    Ok(id) => Outcome::Created(id),
                    Err(error) => failed(TaskState::Rejected, error).await,
                },
                Err(why) => Outcome::Failed(TaskState::Rejected, why),
            };
            let _ = news.send(News::Done { task, outcome }).await;
        });
    }

    /// Writes the files of a container that is there, which a boot has taken, and starts it.
    pub fn restore(&mut self, task: TaskId, container: String, request: ContainerRequest) {
        let (runtime, news, vault) = (self.runtime.clone(), self.news.clone(), self.vault.clone());
        self.spawn(async move {
            let outcome = match with_files(&vault, request).await {
                Ok(_) => start(&*runtime, &container).await,
                Err(why) => Outcome::Failed(TaskState::Failed, why),
            };
            let _ = news.send(News::Done { task, outcome }).await;
        });
    }

    /// Starts, stops or removes.
    pub fn perform(&mut self, task: TaskId, step: Step) {
        let (runtime, news) = (self.runtime.clone(), self.news.clone());
        self.spawn(async move {
            let outcome = perform(&*runtime, step).await;
            let _ = news.send(News::Done { task, outcome }).await;
        });
    }

    pub fn prune(&mut self, needed: Vec<NetworkId>) {
        self.pruning = true;
        let (runtime, news) = (self.runtime.clone(), self.news.clone());
        self.spawn(async move {
            if let Err(error) = runtime.prune_networks(&needed).await {
                tracing::warn!(%error, "cannot remove networks at the engine");
            }
            let _ = news.send(News::Pruned).await;
        });
    }
}

async fn perform(runtime: &dyn Runtime, step: Step) -> Outcome {
    match step {
        Step::Start { container } => start(runtime, &container).await,
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

async fn start(runtime: &dyn Runtime, container: &str) -> Outcome {
    match runtime.start(container).await {
        Ok(state) => Outcome::Started(state),
        Err(error) => failed(TaskState::Failed, error).await,
    }
}

/// The request with its files as mounts, once they are written.
async fn with_files(vault: &Vault, mut request: ContainerRequest) -> Result<ContainerRequest, String> {
    if request.files.is_empty() {
        return Ok(request);
    }
    let (vault, task, files) = (vault.clone(), request.task, std::mem::take(&mut request.files));
    let written = tokio::task::spawn_blocking(move || vault.write(task, &files)).await;
    let mounts = written.map_err(io::Error::other).and_then(|mounts| mounts);
    request
        .spec
        .mounts
        .extend(mounts.map_err(|why| format!("cannot keep secrets and configs in memory: {why}"))?);
    Ok(request)
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
