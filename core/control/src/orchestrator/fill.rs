//! What all modes have in common: how the slots of a service are kept filled, and when what fills them starts.

use std::{collections::BTreeMap, sync::Arc};

use model::{ContainerSpec, DesiredState, NodeId, Service, Slot, Task, TaskState, TaskStatus, Timestamp};
use store::TaskOp;

use super::{
    SlotTasks, restart,
    restart::Next,
    slot::{is_misplaced, predecessors},
    update, want,
};
use crate::{dirty::Scope, draft::Draft};

/// What the new tasks of a service are made from.
pub(super) struct Maker<'a> {
    pub service: &'a Service,
    container: Arc<ContainerSpec>,
    labels: Arc<BTreeMap<String, String>>,
}

/// What became of a slot that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tended {
    /// Its task is where it can stay.
    Stays,
    /// It got a new task.
    Made,
    /// It gets one later.
    Waits,
    /// It gets none any more.
    Ended,
}

impl<'a> Maker<'a> {
    pub fn of(service: &'a Service) -> Self {
        Self {
            service,
            container: Arc::new(service.spec.container.clone()),
            labels: Arc::new(service.spec.labels.clone()),
        }
    }

    /// A new task in a slot, which starts when those before it in the slot have ended. `pinned`: the one node that it
    /// is for.
    pub fn create(&self, draft: &mut Draft<'_>, slot: Slot, pinned: Option<NodeId>, next: Next) {
        let mut task = self.task(draft.task_id(), draft.now, slot, pinned);
        task.not_before = match next {
            Next::At(start) => Some(start),
            Next::Now | Next::Wait | Next::Never => None,
        };
        let before = draft.state().tasks_in_slot(task.service, slot);
        let last = before.max_by_key(|before| (before.created_at, before.id));
        if let Some(last) = last {
            task.setbacks = restart::setbacks_after(last, task.spec_version, task.job_iteration);
        }
        let blocked = last.is_some() && predecessors(draft.state(), &task).next().is_some();
        if blocked || task.not_before.is_some() {
            task.desired = DesiredState::Ready;
        }
        draft.decide(TaskOp::Create(Box::new(task)));
    }

    fn task(&self, id: model::TaskId, now: Timestamp, slot: Slot, pinned: Option<NodeId>) -> Task {
        let service = self.service;
        let job_iteration = service.job_status.as_ref().map(|job| job.iteration);
        let name = service.spec.name.clone();
        Task {
            spec_version: service.spec_version,
            desired: purpose(job_iteration),
            status: TaskStatus {
                message: "created".to_owned(),
                ..TaskStatus::of(TaskState::New, now)
            },
            pinned,
            job_iteration,
            service_labels: self.labels.clone(),
            ..Task::new(id, (service.id, name), slot, self.container.clone(), now)
        }
    }
}

/// What is wanted of a task that may start: tasks of jobs are to end.
fn purpose(job_iteration: Option<u64>) -> DesiredState {
    match job_iteration {
        Some(_) => DesiredState::Complete,
        None => DesiredState::Running,
    }
}

/// Keeps slots filled with tasks of the present spec.
pub(super) fn keep(draft: &mut Draft<'_>, maker: &Maker<'_>, slots: &[SlotTasks<'_>], scope: &Scope) {
    for slot in slots {
        tend(draft, maker, slot);
    }
    if *scope == Scope::Whole {
        replace_outdated(draft, maker);
    }
    start_waiting(draft, slots);
}

/// Takes the update a step on, over what this pass has decided so far.
fn replace_outdated(draft: &mut Draft<'_>, maker: &Maker<'_>) {
    for replacement in update::replacements(draft.state(), maker.service.id, draft.moment) {
        for task in replacement.gone {
            want(draft, task, DesiredState::Shutdown);
        }
        maker.create(draft, replacement.slot, replacement.pinned, replacement.next);
    }
}

/// Sees to it that a slot has exactly one task that can stay where it is, or none if it is to have none any more; but for
/// one that is about to take another's place.
pub(super) fn tend(draft: &mut Draft<'_>, maker: &Maker<'_>, slot: &SlotTasks<'_>) -> Tended {
    let (view, service) = (draft.base(), maker.service);
    let stays = |task: &&Task| !is_misplaced(view, service, task);
    let current = slot.furthest(service.spec_version, stays);
    let successor = update::successor(service, slot, current).filter(stays);
    let kept = [current, successor].map(|task| task.map(|task| task.id));
    for task in slot.live().filter(|task| !kept.contains(&Some(task.id))) {
        want(draft, task.id, DesiredState::Shutdown);
    }
    if let Some(current) = current {
        leave_behind(draft, service, slot, current);
        return Tended::Stays;
    }
    let Some(last) = slot.last() else {
        return Tended::Ended;
    };
    let policy = &service.spec.restart_policy();
    let next = restart::after(policy, service.spec_version, &slot.tasks, last, draft.moment);
    if next == Next::Wait {
        return Tended::Waits;
    }
    for task in slot.tasks.iter().filter(|task| task.desired < DesiredState::Shutdown) {
        want(draft, task.id, DesiredState::Shutdown);
    }
    if next == Next::Never {
        return Tended::Ended;
    }
    if let (Next::At(_), Some(err)) = (next, restart::words_of_backoff(policy, last)) {
        let (task, at) = (last.id, draft.now);
        draft.decide(TaskOp::Explain { task, at, err });
    }
    maker.create(draft, slot.slot, last.pinned, next);
    Tended::Made
}

/// Beside a task that stays, what has ended is dealt with once nobody waits for it any more: beside one of the present
/// spec, what is of another; and what was to start at a time that has come. The latter would be a deadline for ever, where
/// an update is paused or has given the slot up.
fn leave_behind(draft: &mut Draft<'_>, service: &Service, slot: &SlotTasks<'_>, current: &Task) {
    let (moment, renewed) = (draft.moment, current.spec_version == service.spec_version);
    let outlived = |task: &Task| renewed && task.spec_version != current.spec_version;
    let over = |task: &Task| restart::starts(task, moment).is_some_and(|start| start <= moment.now);
    let due = |task: &Task| task.desired == DesiredState::Ready && over(task);
    let ended = slot.tasks.iter().filter(|task| task.status.state.is_terminal());
    let unattended = ended.filter(|task| task.desired < DesiredState::Shutdown);
    for task in unattended.filter(|task| outlived(task) || due(task)) {
        want(draft, task.id, DesiredState::Shutdown);
    }
}

/// Tasks whose delay is over and whose predecessors have stopped, or have had their time, may run.
pub(super) fn start_waiting(draft: &mut Draft<'_>, slots: &[SlotTasks<'_>]) {
    let moment = draft.moment;
    let waiting = slots
        .iter()
        .flat_map(|slot| &slot.tasks)
        .filter(|task| task.desired == DesiredState::Ready);
    for before in waiting {
        let state = draft.state();
        // As it is now: it may have been replaced in this pass.
        let Some(task) = state
            .task(before.id)
            .filter(|t| t.desired == DesiredState::Ready && t.is_live())
        else {
            continue;
        };
        let delayed = restart::starts(task, moment).is_some_and(|start| start > moment.now);
        let blocked = predecessors(state, task).any(|old| restart::gives_up_waiting(old, moment) > moment.now);
        if !delayed && !blocked {
            want(draft, before.id, purpose(before.job_iteration));
        }
    }
}
