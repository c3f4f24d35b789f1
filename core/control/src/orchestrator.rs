//! From services to tasks: which slots there are, which task fills each, when one is replaced. One mode so far.

mod replicated;
mod restart;
mod scale;
mod slot;
mod update;

use model::{DesiredState, Mode, ServiceId, Task, TaskId, Timestamp};
use store::{TaskOp, View};

use crate::{dirty::Scope, draft::Draft};

pub(crate) use slot::{SlotTasks, tasks_of};

/// Brings the tasks of one service in line with its spec, as far as `scope` goes. The tasks of a removed service are
/// doomed by its removal.
pub(crate) fn reconcile(draft: &mut Draft<'_>, id: ServiceId, scope: &Scope) {
    if let Some(service) = draft.base().service(id) {
        match service.spec.mode {
            Mode::Replicated { replicas } => replicated::reconcile(draft, service, replicas, scope),
            // The API refuses these until they are built.
            Mode::Global | Mode::ReplicatedJob { .. } | Mode::GlobalJob => {}
        }
    }
}

/// When `task`, which is wanted `Ready`, needs the orchestrator next; `None`: only after an event.
pub(crate) fn deadline(view: &View, task: &Task) -> Option<Timestamp> {
    if task.status.state.is_terminal() {
        return task.not_before;
    }
    let predecessor = slot::predecessors(view, task).map(restart::gives_up_waiting).max();
    predecessor.max(task.not_before)
}

fn want(draft: &mut Draft<'_>, task: TaskId, desired: DesiredState) {
    let at = draft.now;
    draft.decide(TaskOp::SetDesired { task, at, desired });
}
