//! Where tasks run: filters say which nodes can take a task and why the others cannot, spread picks among them.

mod constraint;
mod filter;
mod spread;

use model::{ServiceId, TaskId, TaskState};
use store::TaskOp;

use crate::{allocator::explain, draft::Draft};

pub(crate) use constraint::meets_constraints;

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
    let mut choice = spread::Choice::among(draft.state(), service, pending.len());
    let mut reason = None;
    for task in pending {
        match choice.pick(draft.state(), service) {
            Some(node) => {
                let at = draft.now;
                draft.decide(TaskOp::Assign { task, at, node });
            }
            None => {
                let reason = reason.get_or_insert_with(|| filter::explain(draft.state(), service));
                explain(draft, task, reason);
            }
        }
    }
}

#[cfg(test)]
mod tests;
