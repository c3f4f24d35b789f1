//! What can be seen of a script's cluster, as lines.

use std::{collections::BTreeMap, time::Duration};

use model::{Availability, JobStatus, NodeState, Role, Service, Task, TaskId, TaskState};
use store::View;

/// All there is.
pub fn everything(view: &View) -> Vec<String> {
    let mut lines: Vec<String> = nodes(view).chain(superseded(view)).collect();
    for service in view.services() {
        lines.push(service_line(view, service));
        lines.extend(view.tasks_of_service(service.id).map(|task| task_line(view, task)));
    }
    let orphans = view.tasks().filter(|task| view.service(task.service).is_none());
    lines.extend(orphans.map(|task| task_line(view, task)));
    lines
}

/// Nodes about which there is something to say.
fn nodes(view: &View) -> impl Iterator<Item = String> {
    view.nodes().filter_map(|node| {
        let first = node.raft_id == Some(1);
        let mut words = vec![node.hostname()];
        words.extend((node.status.state != NodeState::Ready).then(|| lower(node.status.state.word())));
        words.extend((node.spec.availability != Availability::Active).then(|| lower(node.spec.availability.word())));
        words.extend((first != (node.spec.role == Role::Manager)).then(|| lower(node.spec.role.word())));
        (words.len() > 1).then(|| words.join(" "))
    })
}

/// Secrets that were rotated and are still there.
fn superseded(view: &View) -> impl Iterator<Item = String> {
    let old = view.superseded_payloads();
    old.map(|payload| {
        format!(
            "{} {} #{} is kept",
            payload.kind.word(),
            payload.spec.name,
            payload.generation
        )
    })
}

fn service_line(view: &View, service: &Service) -> String {
    let runs = |task: &&Task| task.status.state == TaskState::Running && task.is_live();
    let running = view.tasks_of_service(service.id).filter(runs).count();
    let mut line = match service.spec.replicas() {
        Some(wanted) => format!("{} {running}/{wanted}", service.spec.name),
        None => format!("{} {} {running}", service.spec.name, service.spec.mode.word()),
    };
    line.extend(service.job_status.as_ref().map(|job| runs_of(service, job)));
    if let Some(rebalance) = service.rebalance {
        line.push_str(&format!(" moves {}, {} at a time", rebalance.left, rebalance.budget));
    }
    if let Some(status) = &service.update_status {
        line.push_str(&format!(" {}: {}", status.state.word(), status.message));
    }
    line
}

/// How the runs of a job have ended, and whether one is at work.
fn runs_of(service: &Service, job: &JobStatus) -> String {
    let waits = service.spec.schedule.is_some() && job.iteration == 0;
    let mut words: Vec<&str> = job.runs.iter().map(|run| run.outcome.word()).collect();
    words.extend((!job.is_over() && !waits).then_some("at work"));
    format!(" runs: {}", words.join(", "))
}

/// What a task was given beside its node, and the secrets that it has, with which of their name they are.
fn given(view: &View, task: &Task) -> String {
    let resources = task.generic_resources.iter().map(|resource| format!(" {resource}"));
    let payloads = task.container.payloads().filter_map(|(_, file)| view.payload(file.id));
    let payloads = payloads.map(|payload| format!(" {}#{}", payload.spec.name, payload.generation));
    resources.chain(payloads).collect()
}

fn task_line(view: &View, task: &Task) -> String {
    let node = task
        .node
        .map(|id| view.node(id).map_or_else(|| id.short(), model::Node::hostname));
    let node = node.unwrap_or_else(|| "-".to_owned());
    let (image, status) = (&task.container.image, &task.status);
    let (desired, state) = (lower(task.desired.word()), lower(status.state.word()));
    let given = given(view, task);
    let mut line = format!("{} {node} {image}{given} {desired} {state}", name(view, task));
    for words in [&status.message, &status.err]
        .into_iter()
        .filter(|words| !words.is_empty())
    {
        line.push_str(": ");
        line.push_str(words);
    }
    line
}

/// Its service and slot, or the node that it is for.
pub fn name(view: &View, task: &Task) -> String {
    match task.pinned.and_then(|id| view.node(id)) {
        Some(node) => format!("{}.{}", task.service_name, node.hostname()),
        None => task.name(),
    }
}

fn lower(word: &str) -> String {
    word.to_ascii_lowercase()
}

/// Notes what changes from one look to the next.
#[derive(Default)]
pub struct Trace {
    seen: BTreeMap<TaskId, String>,
    /// What was seen, with when.
    pub lines: Vec<String>,
}

impl Trace {
    /// Begins with what there is.
    pub fn of(view: &View) -> Self {
        Self {
            seen: view.tasks().map(|task| (task.id, task_line(view, task))).collect(),
            lines: Vec::new(),
        }
    }

    /// Looks, so long after the begin.
    pub fn look(&mut self, view: &View, after: Duration) {
        let mut tasks: Vec<&Task> = view.tasks().collect();
        tasks.sort_by_key(|task| (&task.service_name, task.slot, task.id));
        let mut seen = BTreeMap::new();
        for task in tasks {
            let line = task_line(view, task);
            if self.seen.remove(&task.id).as_ref() != Some(&line) {
                self.lines.push(format!("{after:?} {line}"));
            }
            seen.insert(task.id, line);
        }
        for line in self.seen.values() {
            let name = line.split(' ').next().unwrap_or_default();
            self.lines.push(format!("{after:?} {name} is forgotten"));
        }
        self.seen = seen;
    }
}
