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

use model::{NodeId, ServiceId, TaskId, TaskState};
use store::TaskOp;

use crate::{allocator::explain, draft::Draft};
use needs::Needs;

pub(crate) use constraint::meets_constraints;
pub(crate) use crowd::is_crowded_out;
pub(crate) use place::{NodePlace, places};
pub(crate) use platform::fits_platform;
pub(crate) use tree::path;

/// Gives a node to each of `tasks`, all of one service, that has its addresses and none yet, or the reason why there is
/// none.
pub(crate) fn place(draft: &mut Draft<'_>, service: ServiceId, tasks: &[TaskId]) {
    let state = draft.state();
    let is_pending = |id: &&TaskId| {
        state
            .task(**id)
            .is_some_and(|task| task.status.state == TaskState::Pending)
    };
    let pending: Vec<TaskId> = tasks.iter().filter(is_pending).copied().collect();
    let (false, Some(service)) = (pending.is_empty(), draft.base().service(service)) else {
        return;
    };
    let needs = Needs::of(service);
    let (pinned, free): (Vec<TaskId>, Vec<TaskId>) = pending.into_iter().partition(|id| pin(draft, *id).is_some());
    for task in pinned {
        place_pinned(draft, &needs, task);
    }
    if !free.is_empty() {
        place_anywhere(draft, &needs, &free);
    }
}

fn place_anywhere(draft: &mut Draft<'_>, needs: &Needs<'_>, tasks: &[TaskId]) {
    let mut choice = spread::Choice::among(draft.state(), needs, tasks.len(), draft.now);
    let mut reason = None;
    for task in tasks {
        match choice.pick(draft.state(), needs) {
            Some(node) => assign(draft, needs, *task, node),
            None => {
                let state = draft.state();
                let reason = reason.get_or_insert_with(|| filter::explain(state, needs, state.nodes()));
                explain(draft, *task, reason);
            }
        }
    }
}

fn pin(draft: &Draft<'_>, task: TaskId) -> Option<NodeId> {
    draft.state().task(task)?.pinned
}

/// A task that is for one node gets that one, or the reason why it cannot have it.
fn place_pinned(draft: &mut Draft<'_>, needs: &Needs<'_>, task: TaskId) {
    let view = draft.state();
    let node = pin(draft, task).and_then(|node| view.node(node));
    match node
        .filter(|node| filter::admits(view, needs, node))
        .map(|node| node.id)
    {
        Some(node) => assign(draft, needs, task, node),
        None => {
            let reason = filter::explain(view, needs, node.into_iter());
            explain(draft, task, &reason);
        }
    }
}

/// `node` admits the task.
fn assign(draft: &mut Draft<'_>, needs: &Needs<'_>, task: TaskId, node: NodeId) {
    let (at, view) = (draft.now, draft.state());
    let wishes = &needs.reservations.generic;
    let given = view.node(node).and_then(|node| generic::claim(view, wishes, node));
    draft.decide(TaskOp::Assign {
        task,
        at,
        node,
        generic_resources: given.unwrap_or_default(),
        host_ports: needs.host_ports.clone(),
    });
}

#[cfg(test)]
mod tests;
