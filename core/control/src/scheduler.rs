//! Where tasks run: filters say which nodes can take a task and why the others cannot, spread picks among them.

mod constraint;
mod filter;
mod spread;

use model::{Task, TaskState};
use store::TaskOp;

use crate::{allocator::explain, draft::Draft};

pub(crate) use constraint::meets_constraints;

/// Gives a node to each task that has its addresses and none yet, or the reason why there is none.
pub(crate) fn place(draft: &mut Draft<'_>) {
    let view = draft.view();
    let mut loads = spread::Loads::of(&view);
    let pending = |task: &&Task| task.is_live() && task.status.state == TaskState::Pending;
    for task in view.tasks_without_node().filter(pending) {
        let Some(service) = view.service(task.service) else {
            continue;
        };
        let current = draft.view();
        let admitted = filter::admit(&current, service);
        match loads.pick(service.id, &admitted.nodes) {
            Some(node) => {
                let at = draft.now;
                draft.decide(TaskOp::Assign {
                    task: task.id,
                    at,
                    node,
                });
                loads.add(node, service.id);
            }
            None => explain(draft, task, &admitted.explain()),
        }
    }
}

#[cfg(test)]
mod tests;
