//! From services to tasks: which slots there are, which task fills each, when one is replaced. One file for each mode.

mod canary;
mod even;
mod fill;
mod global;
mod job;
mod replicated;
mod restart;
mod scale;
mod schedule;
mod slot;
mod update;

use model::{DesiredState, Mode, Service, ServiceId, Task, TaskId, Timestamp};
use store::{TaskOp, View};

use crate::{dirty::Scope, draft::Draft, moment::Moment};

pub(crate) use global::takes;
pub(crate) use schedule::due;
pub(crate) use slot::{SlotTasks, tasks_of};
pub(crate) use update::{deadline as update_deadline, witness};

/// Brings the tasks of one service in line with its spec, as far as `scope` goes. The tasks of a removed service are
/// doomed by its removal.
pub(crate) fn reconcile(draft: &mut Draft<'_>, id: ServiceId, scope: &Scope) {
    let Some(service) = draft.base().service(id) else {
        return;
    };
    if schedule::begin(draft, service) || (*scope == Scope::Whole && update::conclude(draft, service)) {
        return;
    }
    match (service.without_canary(), service.canary) {
        (Some(others), Some(canary)) => {
            reconcile_all(draft, &others, scope);
            canary::reconcile(draft, service, canary);
        }
        _ => reconcile_all(draft, service, scope),
    }
}

/// All tasks of one service that are no canaries.
fn reconcile_all(draft: &mut Draft<'_>, service: &Service, scope: &Scope) {
    match service.spec.mode {
        Mode::Replicated { replicas } => replicated::reconcile(draft, service, replicas, scope),
        Mode::Global => global::reconcile(draft, service, scope),
        Mode::ReplicatedJob {
            max_concurrent,
            total_completions,
        } => job::replicated(draft, service, max_concurrent, total_completions),
        Mode::GlobalJob => job::global(draft, service),
    }
}

/// When `task`, which is wanted `Ready`, needs the orchestrator next; `None`: only after an event.
pub(crate) fn deadline(view: &View, task: &Task, moment: Moment) -> Option<Timestamp> {
    let start = restart::starts(task, moment);
    if task.status.state.is_terminal() {
        return start;
    }
    let predecessors = slot::predecessors(view, task);
    let waits = predecessors.map(|old| restart::gives_up_waiting(old, moment));
    waits.max().max(start)
}

fn want(draft: &mut Draft<'_>, task: TaskId, desired: DesiredState) {
    let at = draft.now;
    draft.decide(TaskOp::SetDesired { task, at, desired });
}

/// As [`want`], for those of the tasks that are not to go as far already.
fn want_all<'a>(draft: &mut Draft<'_>, tasks: impl Iterator<Item = &'a Task>, desired: DesiredState) {
    for task in tasks.filter(|task| task.desired < desired) {
        want(draft, task.id, desired);
    }
}
