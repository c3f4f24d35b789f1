//! Docker Engine, by its API on a unix socket: engine 20.10 (API 1.41) and later.
//!
//! The only file tree that speaks bollard.

mod ask;
mod body;
mod command;
mod create;
mod events;
mod facts;
mod image;
mod logs;
mod observe;
mod pulls;
#[cfg(test)]
mod stub;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use bollard::{
    API_DEFAULT_VERSION, Docker,
    errors::Error,
    query_parameters::{RemoveContainerOptionsBuilder, StopContainerOptionsBuilder},
};
use futures::{FutureExt, future::BoxFuture};
use model::{HeldPort, TaskId};
use plan::container::{ContainerRequest, ContainerState};
use tokio::sync::mpsc;

use self::pulls::Pulls;
use super::{Answer, EngineFacts, Listed, LogLine, LogRequest, Question, Runtime, RuntimeError, RuntimeEvent, Waiter};

/// Longest wait for an answer of the engine, beyond what the call itself is meant to take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A Docker Engine. It need not answer yet: the first call that reaches it agrees on an API version, and each look at what
/// it says of itself does so again: another engine may have come since.
#[derive(Clone)]
pub struct DockerRuntime {
    connection: Arc<Mutex<Option<Docker>>>,
    host: Arc<str>,
    pulls: Pulls,
    /// As it said when it was asked last.
    remaps_users: Arc<AtomicBool>,
    /// Processes of containers that were asked; a container that is started again has another.
    processes: Arc<Mutex<BTreeMap<String, i64>>>,
    /// How containers have ended that were looked at: they stay so until they are started.
    ended: Arc<Mutex<BTreeMap<String, ContainerState>>>,
}

impl DockerRuntime {
    /// The engine at `host` (`unix://` and a path).
    pub fn new(host: &str) -> Self {
        Self {
            connection: Arc::default(),
            host: host.into(),
            pulls: Pulls::default(),
            remaps_users: Arc::default(),
            processes: Arc::default(),
            ended: Arc::default(),
        }
    }

    /// The engine at `host`, which must answer now.
    pub async fn connect(host: &str) -> Result<Self, RuntimeError> {
        let engine = Self::new(host);
        engine.docker().await?;
        Ok(engine)
    }

    /// Held for an instant only.
    fn processes(&self) -> MutexGuard<'_, BTreeMap<String, i64>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held for an instant only.
    fn ended(&self) -> MutexGuard<'_, BTreeMap<String, ContainerState>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn silent(&self) -> RuntimeError {
        RuntimeError::Silent {
            host: self.host.to_string(),
        }
    }

    fn forget_process(&self, container: &str) {
        self.processes().remove(container);
    }

    /// Held for an instant only.
    fn connection(&self) -> MutexGuard<'_, Option<Docker>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The engine, in the version of its API that was agreed on last.
    async fn docker(&self) -> Result<Docker, RuntimeError> {
        let agreed = self.connection().clone();
        match agreed {
            Some(docker) => Ok(docker),
            None => self.agree().await,
        }
    }

    /// The engine as it is now: the newest version of its API that both of us speak.
    async fn agree(&self) -> Result<Docker, RuntimeError> {
        let connect = async {
            let docker = Docker::connect_with_unix(&self.host, PATIENCE.as_secs(), API_DEFAULT_VERSION)?;
            docker.negotiate_version().await
        };
        let agreed = connect.await.map_err(|error| match self.fault(error) {
            known if known.is_about_the_engine() => known,
            _ => RuntimeError::Unreachable {
                host: self.host.to_string(),
            },
        })?;
        *self.connection() = Some(agreed.clone());
        Ok(agreed)
    }

    /// The engine's words for an error; a broken connection becomes docker's own sentence.
    fn fault(&self, error: Error) -> RuntimeError {
        match error {
            Error::DockerResponseServerError {
                status_code: 404,
                message,
            } => RuntimeError::NotFound(message),
            Error::DockerResponseServerError { message, .. } => RuntimeError::Engine(message),
            // The last: an answer that comes piece by piece, as of a pull or a log, and breaks off.
            Error::HyperResponseError { .. }
            | Error::HyperLegacyError { .. }
            | Error::SocketNotFoundError(_)
            | Error::IOError { .. } => RuntimeError::Unreachable {
                host: self.host.to_string(),
            },
            Error::RequestTimeoutError => self.silent(),
            other => RuntimeError::Engine(other.to_string()),
        }
    }

    async fn stop_within(&self, container: &str, grace: Duration) -> Result<i64, RuntimeError> {
        let seconds = i32::try_from(grace.as_secs_f64().ceil() as i64).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::default().t(seconds).build();
        let patient = self.docker().await?.with_timeout(grace + PATIENCE);
        match patient.stop_container(container, Some(options)).await {
            Ok(()) => {}
            // 304: it has ended already.
            Err(Error::DockerResponseServerError { status_code: 304, .. }) => {}
            Err(error) => return Err(self.fault(error)),
        }
        let found = self.inspect_state(container).await?;
        match found {
            ContainerState::Exited { code, .. } => Ok(code),
            _ => Err(RuntimeError::Engine(format!("container {container} did not stop"))),
        }
    }

    /// How it is once started: with a health check it is not well yet.
    async fn start_now(&self, container: &str) -> Result<ContainerState, RuntimeError> {
        self.ended().remove(container);
        let options = None::<bollard::query_parameters::StartContainerOptions>;
        let started = self.docker().await?.start_container(container, options).await;
        started.map_err(|error| self.fault(error))?;
        self.inspect_state(container).await
    }

    async fn remove_forced(&self, container: &str) -> Result<(), RuntimeError> {
        self.forget_process(container);
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.docker().await?.remove_container(container, Some(options)).await {
            // 409: a removal is in progress already.
            Err(Error::DockerResponseServerError {
                status_code: 404 | 409, ..
            }) => Ok(()),
            other => other.map_err(|e| self.fault(e)),
        }
    }
}

impl Runtime for DockerRuntime {
    fn ping(&self) -> BoxFuture<'_, Result<(), RuntimeError>> {
        async { self.docker().await?.ping().await.map(drop).map_err(|e| self.fault(e)) }.boxed()
    }

    fn facts(&self) -> BoxFuture<'_, Result<EngineFacts, RuntimeError>> {
        self.read_facts().boxed()
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Listed>, RuntimeError>> {
        self.list_ours().boxed()
    }

    fn published_ports(&self) -> BoxFuture<'_, Result<Vec<HeldPort>, RuntimeError>> {
        self.list_published().boxed()
    }

    fn create<'a>(
        &'a self,
        request: &'a ContainerRequest,
        waiter: Waiter<'a>,
    ) -> BoxFuture<'a, Result<String, RuntimeError>> {
        self.create_container(request, waiter).boxed()
    }

    fn start<'a>(&'a self, container: &'a str) -> BoxFuture<'a, Result<ContainerState, RuntimeError>> {
        self.start_now(container).boxed()
    }

    fn ask<'a>(
        &'a self,
        container: &'a str,
        question: &'a Question,
        patience: Duration,
    ) -> BoxFuture<'a, Result<Answer, RuntimeError>> {
        self.question(container, question, patience).boxed()
    }

    fn stop<'a>(&'a self, container: &'a str, grace: Duration) -> BoxFuture<'a, Result<i64, RuntimeError>> {
        self.stop_within(container, grace).boxed()
    }

    fn remove<'a>(&'a self, container: &'a str) -> BoxFuture<'a, Result<(), RuntimeError>> {
        self.remove_forced(container).boxed()
    }

    fn logs(&self, task: TaskId, request: LogRequest) -> mpsc::Receiver<Result<LogLine, RuntimeError>> {
        logs::read(self.clone(), task, request)
    }

    fn events(&self) -> mpsc::Receiver<RuntimeEvent> {
        events::follow(self.clone())
    }
}
