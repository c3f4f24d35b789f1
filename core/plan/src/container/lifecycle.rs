//! The next step of one task, from what is wanted, what was reported and what the engine has.

use std::time::Duration;

use model::{DesiredState, Task, TaskState, TaskStatus, Timestamp};

use super::Answers;

/// From SIGTERM to SIGKILL for a container whose task is no longer known, hence neither is its grace period.
const ORPHAN_GRACE: Duration = Duration::from_secs(10);

/// How a container is at the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// Made, never started.
    Created,
    /// Its process runs; its health check has not succeeded yet.
    Starting,
    /// Its process runs, and is well as far as the engine knows.
    Running,
    /// Its process runs, and its health check has failed too often.
    Unhealthy {
        /// The last output of the health check.
        last: String,
    },
    /// Its process has ended.
    Exited {
        /// Exit code; 128 + n after signal n.
        code: i64,
        /// What the engine says went wrong; empty for an ordinary exit.
        error: String,
    },
}

impl ContainerState {
    /// Whether its process runs, well or not.
    pub fn runs(&self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Unhealthy { .. })
    }
}

/// A container of ours at the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The engine's id of it.
    pub id: String,
    /// How it is.
    pub state: ContainerState,
}

/// What the agent knows of one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// Last reported status.
    pub status: TaskStatus,
    /// Its container, if there is one.
    pub container: Option<Container>,
    /// An operation is in flight: nothing is decided until it has ended.
    pub busy: bool,
    /// The node has booted since the container last ran: an exited container is started again, once.
    pub revive: bool,
    /// What its container has answered since it was started.
    pub answers: Answers,
}

/// What to do next for a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Report this status; no effect on the engine.
    Report(TaskStatus),
    /// Get the image and the container.
    Prepare,
    /// Start the container.
    Start {
        /// Engine id.
        container: String,
    },
    /// Ask it to end, kill it after `grace`.
    Stop {
        /// Engine id.
        container: String,
        /// From SIGTERM to SIGKILL.
        grace: Duration,
    },
    /// Remove the container, which does not run.
    Remove {
        /// Engine id.
        container: String,
    },
}

/// The next step of an assigned task; `None`: nothing to do until something changes.
pub fn next(task: &Task, local: &Local, now: Timestamp) -> Option<Step> {
    if local.busy {
        return None;
    }
    if local.status.state.is_terminal() {
        return end(local, task.container.stop_grace());
    }
    if task.desired >= DesiredState::Shutdown {
        return Some(shut_down(task, local, now));
    }
    if let Some(why) = dying(local) {
        return Some(die(task, local, why, now));
    }
    match &local.container {
        None => Some(without_container(local, now)),
        Some(container) => match &container.state {
            ContainerState::Created => created(task, local, container, now),
            ContainerState::Starting => readiness(local, Some(Err("health check".to_owned())), now),
            ContainerState::Running => running(task, local, now),
            ContainerState::Unhealthy { last } => Some(give_up(local, unhealthy(last), now)),
            ContainerState::Exited { .. } if local.revive => Some(start(container)),
            ContainerState::Exited { code, error } => Some(ended(local, *code, error, now)),
        },
    }
}

/// What the managers know of a task that is not assigned to this node (any more).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They have not spoken in this run of the agent: a saved view may be older than the container, which then goes on.
    Unknown,
    /// It is not to run. As long as they remember it, what its container has printed is kept.
    Over,
    /// They have forgotten it.
    Forgotten,
}

/// The next step for a container whose task is not assigned to this node (any more).
pub fn next_unassigned(local: &Local, standing: Standing) -> Option<Step> {
    if local.busy || standing == Standing::Unknown {
        return None;
    }
    let id = || Some(local.container.as_ref()?.id.clone());
    end(local, ORPHAN_GRACE).or_else(|| match standing {
        Standing::Forgotten => Some(Step::Remove { container: id()? }),
        Standing::Unknown | Standing::Over => None,
    })
}

/// Swarm's words, and what the health check said last.
fn unhealthy(last: &str) -> String {
    match last {
        "" => "task: unhealthy container".to_owned(),
        _ => format!("task: unhealthy container: {last}"),
    }
}

fn running(task: &Task, local: &Local, now: Timestamp) -> Option<Step> {
    match local.answers.fatal(&task.container) {
        Some(why) => Some(give_up(local, format!("task: {why}"), now)),
        None => readiness(local, local.answers.ready(&task.container), now),
    }
}

/// A task that is ill takes no traffic from now on; why it ends is kept in its status. It has not failed before its
/// container has ended: what follows would run beside it, and get its addresses.
fn give_up(local: &Local, why: String, now: Timestamp) -> Step {
    let mut status = status(local, local.status.state, "stopping", now);
    (status.not_ready, status.err) = (true, why);
    Step::Report(status)
}

/// Why a task was given up whose container may still run. One that its node starts again begins anew.
fn dying(local: &Local) -> Option<&str> {
    let given_up = local.status.not_ready && !local.status.err.is_empty() && !local.revive;
    given_up.then_some(local.status.err.as_str())
}

fn die(task: &Task, local: &Local, why: &str, now: Timestamp) -> Step {
    match &local.container {
        Some(container) if container.state.runs() => stop(task, container),
        _ => failed(local, why.to_owned(), now),
    }
}

fn stop(task: &Task, container: &Container) -> Step {
    Step::Stop {
        container: container.id.clone(),
        grace: task.container.stop_grace(),
    }
}

/// A task is not `Running` before it was ready once; after that it may be ready or not.
fn readiness(local: &Local, ready: Option<Result<(), String>>, now: Timestamp) -> Option<Step> {
    let running = local.status.state == TaskState::Running;
    let (state, message) = match (running, ready?) {
        (true, Ok(())) if !local.status.not_ready => return None,
        (true, Err(_)) if local.status.not_ready => return None,
        (true, Err(why)) => {
            let mut status = status(local, TaskState::Running, &format!("not ready: {why}"), now);
            status.not_ready = true;
            return Some(Step::Report(status));
        }
        (_, Ok(())) => (TaskState::Running, "started".to_owned()),
        (false, Err(why)) => (TaskState::Starting, format!("starting: {why}")),
    };
    let known = local.status.state >= state && local.status.message == message;
    (running || !known).then(|| report(local, state, &message, now))
}

/// A container that is not to run: it has said nothing unless it was started.
fn end(local: &Local, grace: Duration) -> Option<Step> {
    let container = local.container.as_ref()?;
    let id = container.id.clone();
    match container.state {
        ContainerState::Created => Some(Step::Remove { container: id }),
        ContainerState::Exited { .. } => None,
        _ => Some(Step::Stop { container: id, grace }),
    }
}

fn shut_down(task: &Task, local: &Local, now: Timestamp) -> Step {
    match &local.container {
        Some(container) if container.state.runs() => stop(task, container),
        _ => report(local, TaskState::Shutdown, "shutdown", now),
    }
}

fn without_container(local: &Local, now: Timestamp) -> Step {
    match local.status.state {
        state if state < TaskState::Accepted => report(local, TaskState::Accepted, "accepted", now),
        TaskState::Accepted => report(local, TaskState::Preparing, "preparing", now),
        TaskState::Preparing => Step::Prepare,
        _ => failed(local, "task: container is gone".to_owned(), now),
    }
}

/// A created container below `Ready` was left half-made by an earlier run of the agent: it is made anew, since networks
/// may be missing in it.
fn created(task: &Task, local: &Local, container: &Container, now: Timestamp) -> Option<Step> {
    match local.status.state {
        state if state < TaskState::Ready => Some(Step::Remove {
            container: container.id.clone(),
        }),
        // The managers say when a restart delay is over. By this host's clock it may be over an hour later.
        _ if task.desired < DesiredState::Running => None,
        TaskState::Ready => Some(report(local, TaskState::Starting, "starting", now)),
        TaskState::Starting => Some(start(container)),
        _ => Some(failed(local, "task: container was never started".to_owned(), now)),
    }
}

fn start(container: &Container) -> Step {
    Step::Start {
        container: container.id.clone(),
    }
}

fn ended(local: &Local, code: i64, error: &str, now: Timestamp) -> Step {
    let mut status = status(local, TaskState::Complete, "finished", now);
    status.exit_code = Some(code);
    if code != 0 || !error.is_empty() {
        status.state = TaskState::Failed;
        status.message = "started".to_owned();
        status.err = match error {
            "" => format!("task: non-zero exit ({code})"),
            _ => format!("task: non-zero exit ({code}): {error}"),
        };
    }
    Step::Report(status)
}

fn failed(local: &Local, err: String, now: Timestamp) -> Step {
    let mut status = status(local, TaskState::Failed, "started", now);
    status.err = err;
    Step::Report(status)
}

fn report(local: &Local, state: TaskState, message: &str, now: Timestamp) -> Step {
    Step::Report(status(local, state, message, now))
}

/// When something new is said of a task that is in the same state: later than what was said before, though the clock may
/// have been set back, for managers keep the latest.
pub(crate) fn later(last: &TaskStatus, now: Timestamp) -> Timestamp {
    now.max(Timestamp(last.at.0.saturating_add(1)))
}

fn status(local: &Local, state: TaskState, message: &str, now: Timestamp) -> TaskStatus {
    let at = match local.status.state == state {
        true => later(&local.status, now),
        false => now,
    };
    let container = local.container.as_ref().map(|c| c.id.clone());
    TaskStatus {
        message: message.to_owned(),
        container: container.or_else(|| local.status.container.clone()),
        ..TaskStatus::of(state, at)
    }
}

#[cfg(test)]
mod tests;
