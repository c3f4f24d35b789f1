//! Where tasks run: filters say which nodes can take a task and why the others cannot, spread picks among them.

mod constraint;
mod filter;
mod platform;
mod spread;

use model::{NodeId, Service, ServiceId, TaskId, TaskState};
use store::TaskOp;

use crate::{allocator::explain, draft::Draft};

pub(crate) use constraint::meets_constraints;
pub(crate) use platform::fits_platform;

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
    let (pinned, free): (Vec<TaskId>, Vec<TaskId>) = pending.into_iter().partition(|id| pin(draft, *id).is_some());
    for task in pinned {
        place_pinned(draft, service, task);
    }
    let mut choice = spread::Choice::among(draft.state(), service, free.len());
    let mut reason = None;
    for task in free {
        match choice.pick(draft.state(), service) {
            Some(node) => assign(draft, task, node),
            None => {
                let reason =
                    reason.get_or_insert_with(|| filter::explain(draft.state(), service, draft.state().nodes()));
                explain(draft, task, reason);
            }
        }
    }
}

fn pin(draft: &Draft<'_>, task: TaskId) -> Option<NodeId> {
    draft.state().task(task)?.pinned
}

/// A task that is for one node only gets that one, or the reason why it cannot have it.
fn place_pinned(draft: &mut Draft<'_>, service: &Service, task: TaskId) {
    let view = draft.state();
    let node = pin(draft, task).and_then(|node| view.node(node));
    match node.filter(|node| filter::admits(view, service, node)) {
        Some(node) => assign(draft, task, node.id),
        None => {
            let reason = filter::explain(view, service, node.into_iter());
            explain(draft, task, &reason);
        }
    }
}

fn assign(draft: &mut Draft<'_>, task: TaskId, node: NodeId) {
    let at = draft.now;
    draft.decide(TaskOp::Assign { task, at, node });
}

#[cfg(test)]
mod tests;
