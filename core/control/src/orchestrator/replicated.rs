//! Replicated services: as many slots as replicas, one wanted task in each.

use std::{collections::BTreeSet, sync::Arc};

use model::{ContainerSpec, DesiredState, Service, Slot, Task, TaskState, TaskStatus, Timestamp};
use store::TaskOp;

use super::{
    SlotTasks, restart,
    restart::Next,
    scale,
    slot::{is_misplaced, may_run, predecessors, slots_of},
    update, want,
};
use crate::{dirty::Scope, draft::Draft};

pub(super) fn reconcile(draft: &mut Draft<'_>, service: &Service, replicas: u32, scope: &Scope) {
    let mut slots = slots_of(draft.base(), service.id, scope);
    let container = Arc::new(service.spec.container.clone());
    let mut busy = BTreeSet::new();
    if *scope == Scope::Whole {
        give_up(draft, &mut slots, replicas);
        for slot in scale::missing(&slots, replicas) {
            create(draft, service, &container, slot, Next::Now);
            busy.insert(slot);
        }
    }
    for slot in &slots {
        if tend(draft, service, &container, slot) {
            busy.insert(slot.slot);
        }
    }
    if *scope == Scope::Whole {
        for old in update::to_replace(service, &slots, &busy) {
            want(draft, old.id, DesiredState::Shutdown);
            create(draft, service, &container, old.slot, Next::Now);
        }
    }
    start_waiting(draft, &slots);
}

/// Dooms the tasks of the slots that are too many, and takes these slots from `slots`.
fn give_up(draft: &mut Draft<'_>, slots: &mut Vec<SlotTasks<'_>>, replicas: u32) {
    let surplus = scale::surplus(slots, replicas as usize);
    for slot in slots.extract_if(.., |slot| surplus.contains(&slot.slot)) {
        for task in slot.tasks {
            want(draft, task.id, DesiredState::Remove);
        }
    }
}

/// Sees to it that a slot has exactly one task that can stay where it is. Whether it got a new one.
fn tend(draft: &mut Draft<'_>, service: &Service, container: &Arc<ContainerSpec>, slot: &SlotTasks<'_>) -> bool {
    let view = draft.base();
    let current = slot.current().filter(|task| !is_misplaced(view, service, task));
    for task in slot.live().filter(|task| Some(task.id) != current.map(|c| c.id)) {
        want(draft, task.id, DesiredState::Shutdown);
    }
    if current.is_some() {
        return false;
    }
    let Some(last) = slot.newest() else { return false };
    let policy = &service.spec.restart_policy();
    let next = restart::after(policy, service.spec_version, &slot.tasks, last, draft.now);
    if next == Next::Wait {
        return false;
    }
    for task in slot.tasks.iter().filter(|task| task.desired < DesiredState::Shutdown) {
        want(draft, task.id, DesiredState::Shutdown);
    }
    if next != Next::Never {
        create(draft, service, container, slot.slot, next);
    }
    next != Next::Never
}

fn create(draft: &mut Draft<'_>, service: &Service, container: &Arc<ContainerSpec>, slot: Slot, next: Next) {
    let (now, id) = (draft.now, draft.task_id());
    let view = draft.state();
    let delayed = match next {
        Next::At(start) => Some(start),
        Next::Now | Next::Wait | Next::Never => None,
    };
    let stopping = |task: &Task| may_run(view, task) && task.desired == DesiredState::Shutdown;
    let waits = delayed.is_some() || view.tasks_in_slot(service.id, slot).any(stopping);
    draft.decide(TaskOp::Create(Box::new(Task {
        id,
        version: 0,
        created_at: now,
        updated_at: now,
        service: service.id,
        service_name: service.spec.name.clone(),
        slot,
        spec_version: service.spec_version,
        container: container.clone(),
        node: None,
        attachments: Vec::new(),
        desired: if waits {
            DesiredState::Ready
        } else {
            DesiredState::Running
        },
        not_before: delayed,
        status: created(now),
        pinned: None,
        job_iteration: None,
        generic_resources: Vec::new(),
        host_ports: Vec::new(),
    })));
}

fn created(at: Timestamp) -> TaskStatus {
    TaskStatus {
        state: TaskState::New,
        at,
        message: "created".to_owned(),
        err: String::new(),
        container: None,
        exit_code: None,
        engine_restarted: false,
    }
}

/// Tasks whose delay is over and whose predecessors have stopped, or have had their time, may run.
fn start_waiting(draft: &mut Draft<'_>, slots: &[SlotTasks<'_>]) {
    let now = draft.now;
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
        let delayed = task.not_before.is_some_and(|start| start > now);
        let blocked = predecessors(state, task).any(|old| restart::gives_up_waiting(old) > now);
        if !delayed && !blocked {
            want(draft, before.id, DesiredState::Running);
        }
    }
}

#[cfg(test)]
mod tests;
