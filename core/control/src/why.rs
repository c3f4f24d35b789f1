//! Why something does not run as wished, in words, and the way out. A function of the state alone: what the managers know
//! is what they can tell.

mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use model::{
    Availability, Canary, DesiredState, Mode, Node, NodeState, PublishMode, Service, Slot, Task, TaskId, TaskState,
    Timestamp, UpdateState, UpdateStatus,
};
use store::View;

/// How many ended tasks of a slot are told of.
const TOLD_ENDS: usize = 3;

/// One thing that is not as wished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about: a service, a task, a node, a port.
    pub about: String,
    /// The cause.
    pub cause: String,
    /// What to do about it.
    pub way_out: String,
    /// What else is known of it, line by line.
    pub details: Vec<String>,
    /// The ended task whose last printed lines may say more.
    pub ended: Option<TaskId>,
}

impl Finding {
    fn new(about: impl Into<String>, cause: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self {
            about: about.into(),
            cause: cause.into(),
            way_out: way_out.into(),
            details: Vec::new(),
            ended: None,
        }
    }
}

/// What keeps a service from running as its spec says; empty if nothing does.
pub fn why_service(view: &View, service: &Service, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(wish(service));
    findings.extend(update(service));
    findings.extend(held_ports(view, service));
    let mut seats: BTreeMap<(Slot, bool), Vec<&Task>> = BTreeMap::new();
    for task in view
        .tasks_of_service(service.id)
        .filter(|task| task.desired < DesiredState::Remove)
    {
        let canary = service.is_canary(task.spec_version);
        seats.entry((task.slot, canary)).or_default().push(task);
    }
    for ((_, canary), tasks) in &mut seats {
        tasks.sort_by_key(|task| (task.created_at, task.id));
        // A slot may have had a canary before, and needs none.
        if !*canary || tasks.iter().any(|task| task.is_live()) {
            findings.extend(seat(view, service, tasks, now));
        }
    }
    if seats.is_empty() && service.spec.mode.is_global() {
        findings.push(Finding::new(
            service.spec.name.as_str(),
            "no node fits: none is Ready and Active and meets the constraints",
            "look at \"netctl node ls\", or change them with \"netctl service update --constraint-rm\"",
        ));
    }
    findings
}

/// What keeps one task from running; empty if nothing does.
pub fn why_task(view: &View, task: &Task, now: Timestamp) -> Vec<Finding> {
    let Some(service) = view.service(task.service) else {
        return vec![Finding::new(
            task.name(),
            "its service has been removed",
            "nothing: it goes when it has stopped",
        )];
    };
    if task.is_live() {
        return living(view, task, now).into_iter().collect();
    }
    let cause = end(task);
    let way = words::way_out(&cause).unwrap_or("look at \"netctl service logs\" of its service");
    let mut finding = Finding::new(task.name(), cause, way);
    let heir = view.tasks_in_slot(service.id, task.slot).find(|other| other.is_live());
    finding
        .details
        .extend(heir.map(|heir| format!("replaced by task {}", heir.id)));
    finding.ended = Some(task.id);
    vec![finding]
}

fn wish(service: &Service) -> Option<Finding> {
    let name = service.spec.name.as_str();
    match service.spec.mode {
        Mode::Replicated { replicas: 0 } => Some(Finding::new(
            name,
            "it is scaled to 0 tasks",
            format!("netctl service scale {name}=1"),
        )),
        _ => None,
    }
}

fn update(service: &Service) -> Option<Finding> {
    let status = service.update_status.as_ref()?;
    let name = service.spec.name.as_str();
    if let Some(canary) = service.canary {
        return Some(held_back(name, canary, status));
    }
    let cause = match status.state {
        UpdateState::Paused => format!("its update is paused: {}", status.message),
        UpdateState::RollbackPaused => format!("its rollback is paused: {}", status.message),
        _ => return None,
    };
    let way = format!("repair the cause and update it again, or go back with \"netctl service rollback {name}\"");
    Some(Finding::new(name, cause, way))
}

/// A canary: all other tasks wait for what is decided about it.
fn held_back(name: &str, canary: Canary, status: &UpdateStatus) -> Finding {
    let share = canary.share;
    let cause = match status.state.is_paused() {
        true => format!("its canary is paused: {}", status.message),
        false => format!("a canary gets {share} of the new flows, all other tasks are of the spec before"),
    };
    let way = format!(
        "promote it with \"netctl service update --promote {name}\", or end it with \"netctl service update --abort {name}\""
    );
    Finding::new(name, cause, way)
}

/// Published ports that somebody else has on some node: there they are not captured.
fn held_ports(view: &View, service: &Service) -> Vec<Finding> {
    let mut findings = Vec::new();
    for port in service.ports.iter().filter(|port| port.mode == PublishMode::Ingress) {
        for node in view.nodes() {
            let held = node.description.iter().flat_map(|description| &description.held_ports);
            for held in held.filter(|held| (held.port, held.protocol) == (port.published, port.protocol)) {
                findings.push(Finding::new(
                    format!("port {}/{} on node {}", held.port, held.protocol, node.hostname()),
                    format!(
                        "it is held by {} and does not answer for the service there",
                        held.holder
                    ),
                    "end the holder, or publish another port with --publish-add",
                ));
            }
        }
    }
    findings
}

/// The tasks of one slot, oldest first.
fn seat(view: &View, service: &Service, tasks: &[&Task], now: Timestamp) -> Option<Finding> {
    let ended: Vec<&&Task> = tasks
        .iter()
        .rev()
        .filter(|task| task.status.state.is_terminal())
        .collect();
    let Some(task) = tasks.iter().rev().find(|task| task.is_live()) else {
        return empty_seat(service, ended.first()?);
    };
    if task.status.state == TaskState::Running && task.spec_version == service.spec_version {
        return living(view, task, now);
    }
    let mut finding = living(view, task, now)?;
    let failed = ended
        .iter()
        .filter(|old| old.status.state > TaskState::Complete && !old.status.err.is_empty());
    let failed: Vec<_> = failed.collect();
    if let (Some(last), true) = (failed.first(), task.status.err.is_empty()) {
        let cause = end(last);
        finding.way_out = words::way_out(&cause)
            .unwrap_or("look at \"netctl service logs\"")
            .to_owned();
        finding.cause = match failed.len() {
            1 => format!("{}; the task before it ended: {cause}", finding.cause),
            count => format!("crash loop: {count} tasks ended one after the other, the last: {cause}"),
        };
    }
    let tell = |old: &&&&Task| format!("{} ended: {}", old.id.short(), end(old));
    finding.details.extend(failed.iter().take(TOLD_ENDS).map(tell));
    finding.ended = failed.first().map(|last| last.id);
    Some(finding)
}

/// A slot whose last task is not replaced.
fn empty_seat(service: &Service, last: &Task) -> Option<Finding> {
    let policy = service.spec.restart_policy();
    if service.spec.mode.is_job() && last.status.state == TaskState::Complete {
        return None;
    }
    let given_up = match policy.max_attempts {
        0 => format!(
            "its restart condition ({:?}) does not ask for another task",
            policy.condition
        )
        .to_lowercase(),
        attempts => format!("its {attempts} restart attempts are used up"),
    };
    let finding = Finding::new(
        last.name(),
        format!("{given_up}; the last task: {}", end(last)),
        "repair the cause, then \"netctl service update --force\"; see --restart-condition and --restart-max-attempts",
    );
    Some(Finding {
        ended: Some(last.id),
        ..finding
    })
}

/// How a task ended.
fn end(task: &Task) -> String {
    let status = &task.status;
    match (status.err.as_str(), status.exit_code) {
        ("", Some(code)) => format!("{} (exit code {code})", status.state.word().to_lowercase()),
        ("", None) => status.state.word().to_lowercase(),
        (err, _) => err.to_owned(),
    }
}

/// What a wanted task waits for.
fn living(view: &View, task: &Task, now: Timestamp) -> Option<Finding> {
    let node = task.node.and_then(|id| view.node(id));
    if let Some(finding) = node.and_then(|node| troubled(task, node)) {
        return Some(finding);
    }
    let status = &task.status;
    if !status.err.is_empty() {
        let way = words::way_out(&status.err).unwrap_or("look at \"netctl service logs\"");
        return Some(Finding::new(task.name(), status.err.clone(), way));
    }
    if let Some(start) = task
        .not_before
        .filter(|start| *start > now && task.desired == DesiredState::Ready)
    {
        let left = start.since(now).as_secs_f64();
        return Some(Finding::new(
            task.name(),
            format!("it waits {left:.0} s more: the restart delay after the last task of its slot"),
            "wait, or set a shorter --restart-delay",
        ));
    }
    let on = node.map_or_else(String::new, |node| format!(" on node {}", node.hostname()));
    let (cause, way) = match status.state {
        TaskState::Running => return None,
        TaskState::New => (
            "it waits for its addresses".to_owned(),
            "wait; if it stays so, look at \"netctl status\"",
        ),
        TaskState::Pending => (
            "it waits for a node".to_owned(),
            "wait; if it stays so, look at \"netctl node ls\"",
        ),
        TaskState::Assigned | TaskState::Accepted => (
            format!("it waits for the agent{on}"),
            "wait; if it stays so, look at \"netctl status\" and at the daemon's log there",
        ),
        TaskState::Preparing => (
            format!("its image or its networks are being prepared{on}: {}", status.message),
            "wait; a large image takes long when it is pulled for the first time",
        ),
        TaskState::Starting => (
            format!("it has started{on} and is not healthy yet"),
            "wait for its health check or probe; see \"netctl service logs\"",
        ),
        _ => (
            format!("it is {}{on}: {}", status.state.word().to_lowercase(), status.message),
            "wait: its predecessor has to stop first",
        ),
    };
    Some(Finding::new(task.name(), cause, way))
}

/// Its node is the trouble.
fn troubled(task: &Task, node: &Node) -> Option<Finding> {
    let name = node.hostname();
    let engine = node
        .description
        .as_ref()
        .map_or("", |description| description.engine_error.as_str());
    let (cause, way) = if node.status.state != NodeState::Ready {
        let state = node.status.state.word();
        (
            format!("its node {name} is {state}: {}", node.status.message),
            format!("bring {name} back, or remove it with \"netctl node rm {name}\""),
        )
    } else if !engine.is_empty() {
        (
            format!("the container engine of node {name} does not answer: {engine}"),
            format!("restart the engine on {name}"),
        )
    } else if node.spec.availability == Availability::Drain {
        (
            format!("its node {name} is being drained"),
            format!("wait until its replacement runs, or \"netctl node update --availability active {name}\""),
        )
    } else {
        return None;
    };
    Some(Finding::new(task.name(), cause, way))
}
