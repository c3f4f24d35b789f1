//! Where tasks run: filters say which nodes can take a task and why the others cannot, spread picks among them.

mod constraint;
mod crowd;
mod filter;
mod generic;
mod needs;
mod place;
mod platform;
mod setback;
mod spread;
mod tree;

use model::{Attachment, NodeId, Service, ServiceId, TaskId, TaskState};
use store::TaskOp;

use crate::{
    allocator::{Joined, addresses, explain, networks_of},
    draft::Draft,
};
use needs::Needs;

pub(crate) use constraint::meets_constraints;
pub(crate) use crowd::is_crowded_out;
pub(crate) use filter::{has_engine, is_admitted};
pub(crate) use place::{NodePlace, places};
pub(crate) use platform::fits_platform;
pub(crate) use tree::path;

/// A task that has no node.
struct Waiting {
    id: TaskId,
    /// The one node that it is for.
    pinned: Option<NodeId>,
    /// It has its addresses.
    addressed: bool,
    /// Those that it is going to have.
    addresses: Option<Vec<Attachment>>,
}

/// Gives addresses and a node to each of `tasks`, all of one service, that has none yet, or the reason why it gets none.
pub(crate) fn place(draft: &mut Draft<'_>, service: ServiceId, tasks: &[TaskId]) {
    let Some(service) = draft.base().service(service) else {
        return;
    };
    let Some(others) = service.without_canary() else {
        return place_alike(draft, service, tasks);
    };
    let is_canary = |id: &TaskId| {
        let task = draft.state().task(*id);
        task.is_some_and(|task| service.is_canary(task.spec_version))
    };
    let (canaries, rest): (Vec<TaskId>, Vec<TaskId>) = tasks.iter().copied().partition(is_canary);
    place_alike(draft, &others, &rest);
    place_alike(draft, service, &canaries);
}

/// The same for tasks that were all made from the spec of `service`.
fn place_alike(draft: &mut Draft<'_>, service: &Service, tasks: &[TaskId]) {
    let base = draft.base();
    let (pinned, free): (Vec<Waiting>, Vec<Waiting>) = waiting(draft, tasks)
        .into_iter()
        .partition(|task| task.pinned.is_some());
    let (needs, networks) = (Needs::of(service), networks_of(base, &service.spec));
    for task in pinned {
        place_pinned(draft, &needs, &networks, task);
    }
    if !free.is_empty() {
        place_anywhere(draft, &needs, &networks, free);
    }
}

fn waiting(draft: &Draft<'_>, tasks: &[TaskId]) -> Vec<Waiting> {
    let tasks = tasks.iter().filter_map(|id| draft.state().task(*id));
    let waiting = tasks.filter(|task| matches!(task.status.state, TaskState::New | TaskState::Pending));
    waiting
        .map(|task| Waiting {
            id: task.id,
            pinned: task.pinned,
            addressed: task.status.state == TaskState::Pending,
            addresses: None,
        })
        .collect()
}

fn place_anywhere(draft: &mut Draft<'_>, needs: &Needs<'_>, networks: &Joined<'_>, tasks: Vec<Waiting>) {
    let mut choice = spread::Choice::among(draft.state(), needs, tasks.len(), draft.now);
    let mut reason = None;
    for mut task in tasks {
        if !address(draft, networks, &mut task) {
            continue;
        }
        match choice.pick(draft.state(), needs) {
            Some(node) => assign(draft, needs, task, node),
            None => {
                let state = draft.state();
                let reason = reason.get_or_insert_with(|| filter::explain(state, needs, state.nodes()));
                wait(draft, task, reason);
            }
        }
    }
}

/// A task that is for one node gets that one, or the reason why it cannot have it.
fn place_pinned(draft: &mut Draft<'_>, needs: &Needs<'_>, networks: &Joined<'_>, mut task: Waiting) {
    if !address(draft, networks, &mut task) {
        return;
    }
    let view = draft.state();
    let node = task.pinned.and_then(|node| view.node(node));
    match node
        .filter(|node| filter::admits(view, needs, node))
        .map(|node| node.id)
    {
        Some(node) => assign(draft, needs, task, node),
        None => {
            let reason = filter::explain(view, needs, node.into_iter());
            wait(draft, task, &reason);
        }
    }
}

/// Finds the addresses that a task lacks. False: it cannot have them now.
fn address(draft: &mut Draft<'_>, networks: &Joined<'_>, task: &mut Waiting) -> bool {
    if !task.addressed {
        task.addresses = addresses(draft, networks, task.id);
    }
    task.addressed || task.addresses.is_some()
}

/// The task gets its addresses and waits for a node.
fn wait(draft: &mut Draft<'_>, waiting: Waiting, reason: &str) {
    let (task, at) = (waiting.id, draft.now);
    if let Some(attachments) = waiting.addresses {
        draft.decide(TaskOp::Allocate { task, at, attachments });
    }
    explain(draft, task, reason);
}

/// `node` admits the task.
fn assign(draft: &mut Draft<'_>, needs: &Needs<'_>, task: Waiting, node: NodeId) {
    let view = draft.state();
    let wishes = &needs.reservations.generic;
    let given = view.node(node).and_then(|node| generic::claim(view, wishes, node));
    let given = (given.unwrap_or_default(), needs.host_ports.clone());
    draft.place(task.id, task.addresses, node, given);
}

#[cfg(test)]
mod tests;
