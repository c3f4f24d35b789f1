//! The container engine as the worker needs it: a seam with a Docker implementation and a fake for tests.

pub mod docker;
pub mod fake;
mod log;

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use futures::future::BoxFuture;
use model::{GenericResource, HeldPort, ProbeTarget, TaskId};
use plan::container::{ContainerRequest, ContainerState};
pub use plan::tasks::Listed;
use thiserror::Error;
use tokio::sync::{mpsc, watch};

pub use self::log::{LogLine, LogRequest, LogStream};

/// Why the engine did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RuntimeError {
    /// Nobody answers at its socket.
    #[error("Cannot connect to the Docker daemon at {host}. Is the docker daemon running?")]
    Unreachable {
        /// `unix://` address.
        host: String,
    },
    /// Its socket takes calls that are not answered.
    #[error("the Docker daemon at {host} does not answer")]
    Silent {
        /// `unix://` address.
        host: String,
    },
    /// The image is not here and could not be pulled. The text names it, as docker does.
    #[error("No such image: {image}{reason}")]
    NoImage {
        /// Reference as typed.
        image: String,
        /// `": "` and the registry's words, or empty.
        reason: String,
    },
    /// The container, or network, is not there.
    #[error("{0}")]
    NotFound(String),
    /// The container is not wanted any more, and was not waited for.
    #[error("not wanted any more")]
    Unwanted,
    /// Anything else, in the engine's words.
    #[error("{0}")]
    Engine(String),
}

impl RuntimeError {
    /// Whether the engine as a whole is out of reach, which says nothing of what was asked for.
    pub fn is_about_the_engine(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Silent { .. })
    }
}

/// What the engine says of itself and its machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineFacts {
    /// Its version.
    pub version: String,
    /// Architecture as the engine names it (`x86_64`).
    pub arch: String,
    /// Host name as the engine sees it.
    pub hostname: String,
    /// 10^-9 of a core.
    pub nano_cpus: i64,
    /// Bytes.
    pub memory_bytes: i64,
    /// Engine labels.
    pub labels: BTreeMap<String, String>,
    /// The engine is itself part of a Docker Swarm.
    pub in_swarm_mode: bool,
    /// Containers outlive a restart of the engine.
    pub live_restore: bool,
    /// Resources with operators' names that it was given.
    pub generic_resources: Vec<GenericResource>,
    /// Its drivers, `KIND/NAME` each; empty: it does not say.
    pub plugins: Vec<String>,
}

/// A change of one of our containers, or of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimeEvent {
    /// A container of ours changed.
    Changed {
        /// Its task.
        task: TaskId,
        /// Engine id.
        container: String,
        /// How it is now; `None`: removed.
        state: Option<ContainerState>,
    },
    /// The engine ends, or has ended, and takes its containers with it: what ends from now on until the next list ends
    /// for that. Not said of an engine whose containers outlive it.
    Leaving,
    /// Events may have been missed: list anew.
    Relist,
}

/// Who waits for a container to be made.
#[derive(Clone, Copy)]
pub struct Waiter<'a> {
    /// Hears in words how far a pull is.
    pub say: &'a (dyn Fn(&str) + Send + Sync),
    /// True once the container is not wanted any more: no pull is waited for then.
    pub unwanted: &'a watch::Receiver<bool>,
}

/// What a running container is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether something answers at an address of its own.
    Probe {
        /// What is asked.
        target: ProbeTarget,
        /// The address.
        addr: IpAddr,
    },
    /// Whether a command in it ends with exit code 0.
    Command {
        /// Program and arguments.
        words: Vec<String>,
    },
}

/// What a container answers: it is well, or why it is not in words.
pub type Answer = Result<(), String>;

/// A container engine. Every call is idempotent or says what it found.
pub trait Runtime: Send + Sync + 'static {
    /// Whether it answers at all.
    fn ping(&self) -> BoxFuture<'_, Result<(), RuntimeError>>;

    /// What it says of itself.
    fn facts(&self) -> BoxFuture<'_, Result<EngineFacts, RuntimeError>>;

    /// All containers that carry our label.
    fn list(&self) -> BoxFuture<'_, Result<Vec<Listed>, RuntimeError>>;

    /// Ports of the host that containers not ours publish.
    fn published_ports(&self) -> BoxFuture<'_, Result<Vec<HeldPort>, RuntimeError>>;

    /// Gets the image as its pull policy says, makes the container, without any network. Returns its id.
    fn create<'a>(
        &'a self,
        request: &'a ContainerRequest,
        waiter: Waiter<'a>,
    ) -> BoxFuture<'a, Result<String, RuntimeError>>;

    /// Starts a container. Returns how it is then.
    fn start<'a>(&'a self, container: &'a str) -> BoxFuture<'a, Result<ContainerState, RuntimeError>>;

    /// Asks a running container; no answer within `patience` is a bad one. An error: it could not be asked, which says
    /// nothing of it.
    fn ask<'a>(
        &'a self,
        container: &'a str,
        question: &'a Question,
        patience: Duration,
    ) -> BoxFuture<'a, Result<Answer, RuntimeError>>;

    /// Asks it to end, kills it after `grace`. Returns its exit code. A container that has ended is no error.
    fn stop<'a>(&'a self, container: &'a str, grace: Duration) -> BoxFuture<'a, Result<i64, RuntimeError>>;

    /// Removes a container, running or not. One that is gone is no error.
    fn remove<'a>(&'a self, container: &'a str) -> BoxFuture<'a, Result<(), RuntimeError>>;

    /// What the task's container printed, and prints from now on if that is followed; it ends when the container has
    /// ended. The first item is [`RuntimeError::NotFound`] if there is no container. Whoever reads slowly holds up the
    /// engine's side, not this one's memory.
    fn logs(&self, task: TaskId, request: LogRequest) -> mpsc::Receiver<Result<LogLine, RuntimeError>>;

    /// Changes from now on, for as long as the receiver lives; reconnects by itself and then says [`RuntimeEvent::Relist`].
    fn events(&self) -> mpsc::Receiver<RuntimeEvent>;
}
