//! What can be seen of a script's cluster, as lines.

use std::{collections::BTreeMap, time::Duration};

use model::{Availability, NodeState, Role, Task, TaskId, TaskState};
use store::View;

/// All there is.
pub fn everything(view: &View) -> Vec<String> {
    let mut lines: Vec<String> = nodes(view).collect();
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

fn service_line(view: &View, service: &model::Service) -> String {
    let runs = |task: &&Task| task.status.state == TaskState::Running && task.is_live();
    let running = view.tasks_of_service(service.id).filter(runs).count();
    let mut line = match service.spec.replicas() {
        Some(wanted) => format!("{} {running}/{wanted}", service.spec.name),
        None => format!("{} {} {running}", service.spec.name, service.spec.mode.word()),
    };
    if let Some(status) = &service.update_status {
        line.push_str(&format!(" {}: {}", status.state.word(), status.message));
    }
    line
}

fn task_line(view: &View, task: &Task) -> String {
    let node = task
        .node
        .map(|id| view.node(id).map_or_else(|| id.short(), model::Node::hostname));
    let node = node.unwrap_or_else(|| "-".to_owned());
    let (image, status) = (&task.container.image, &task.status);
    let (desired, state) = (lower(task.desired.word()), lower(status.state.word()));
    let mut line = format!("{} {node} {image} {desired} {state}", name(view, task));
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
