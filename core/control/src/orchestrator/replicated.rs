//! Replicated services: as many slots as replicas, one wanted task in each.

use model::{DesiredState, Service, Slot, Task, TaskState, TaskStatus, Timestamp};
use store::TaskOp;

use super::{
    SlotTasks, restart,
    restart::Next,
    scale,
    slot::{is_misplaced, may_run, predecessors, slots_of},
    update, want,
};
use crate::draft::Draft;

pub(super) fn reconcile(draft: &mut Draft<'_>, service: &Service, replicas: u32) {
    let view = draft.view();
    let mut slots = slots_of(&view, service.id);
    let surplus = scale::surplus(&slots, replicas as usize);
    for task in slots
        .iter()
        .filter(|s| surplus.contains(&s.slot))
        .flat_map(|s| &s.tasks)
    {
        want(draft, task.id, DesiredState::Remove);
    }
    slots.retain(|slot| !surplus.contains(&slot.slot));
    let mut busy = Vec::new();
    for slot in scale::missing(&slots, replicas) {
        create(draft, service, slot, Next::Now);
        busy.push(slot);
    }
    for slot in &slots {
        if tend(draft, service, slot) {
            busy.push(slot.slot);
        }
    }
    for old in update::to_replace(service, &slots, &busy) {
        want(draft, old.id, DesiredState::Shutdown);
        create(draft, service, old.slot, Next::Now);
    }
    start_waiting(draft, service);
}

/// Sees to it that a slot has exactly one task that can stay where it is. Whether it got a new one.
fn tend(draft: &mut Draft<'_>, service: &Service, slot: &SlotTasks<'_>) -> bool {
    let view = draft.view();
    let current = slot.current().filter(|task| !is_misplaced(&view, service, task));
    for task in slot.live().filter(|task| Some(task.id) != current.map(|c| c.id)) {
        want(draft, task.id, DesiredState::Shutdown);
    }
    if current.is_some() {
        return false;
    }
    let Some(last) = slot.newest() else { return false };
    let policy = &service.spec.restart;
    let next = restart::after(policy, service.spec_version, &slot.tasks, last, draft.now);
    if next == Next::Wait {
        return false;
    }
    for task in slot.tasks.iter().filter(|task| task.desired < DesiredState::Shutdown) {
        want(draft, task.id, DesiredState::Shutdown);
    }
    if next != Next::Never {
        create(draft, service, slot.slot, next);
    }
    next != Next::Never
}

fn create(draft: &mut Draft<'_>, service: &Service, slot: Slot, next: Next) {
    let (view, now, id) = (draft.view(), draft.now, draft.task_id());
    let delayed = match next {
        Next::At(start) => Some(start),
        Next::Now | Next::Wait | Next::Never => None,
    };
    let stopping = |task: &Task| may_run(&view, task) && task.desired == DesiredState::Shutdown;
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
        container: service.spec.container.clone(),
        node: None,
        attachments: Vec::new(),
        desired: if waits {
            DesiredState::Ready
        } else {
            DesiredState::Running
        },
        not_before: delayed,
        status: created(now),
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
fn start_waiting(draft: &mut Draft<'_>, service: &Service) {
    let (view, now) = (draft.view(), draft.now);
    let waiting = view
        .tasks_of_service(service.id)
        .filter(|task| task.desired == DesiredState::Ready && task.is_live());
    for task in waiting {
        let delayed = task.not_before.is_some_and(|start| start > now);
        let blocked = predecessors(&view, task).any(|old| restart::gives_up_waiting(old) > now);
        if !delayed && !blocked {
            want(draft, task.id, DesiredState::Running);
        }
    }
}

#[cfg(test)]
mod tests;
