//! Jobs: tasks that are to end. Each run (iteration) begins with empty slots, and a slot in which a task has ended well
//! is done. A slot whose attempts are used up stays empty; when nothing is left to do, the run has ended.

use model::{DesiredState, RunOutcome, Service, TaskState};
use store::{Command, RunStep};

use super::{
    SlotTasks,
    fill::{self, Maker, Tended},
    global,
    restart::Next,
    scale,
    slot::slots_of,
    want, want_all,
};
use crate::{dirty::Scope, draft::Draft};

/// So many slots, not more than `max_concurrent` of them at work (0: all).
pub(super) fn replicated(draft: &mut Draft<'_>, service: &Service, max_concurrent: u32, total: u32) {
    if !has_begun(service) {
        return forget(draft, service);
    }
    let maker = Maker::of(service);
    let mut slots = slots_of_run(draft, service);
    let numbers = scale::missing(&slots, total as usize);
    leave_done(draft, &mut slots);
    let tended = tend(draft, &maker, &slots);
    let limit = match max_concurrent {
        0 => total as usize,
        limit => limit as usize,
    };
    let room = limit.saturating_sub(tended.at_work);
    let all_begun = numbers.is_empty();
    for slot in numbers.into_iter().take(room) {
        maker.create(draft, slot, None, Next::Now);
    }
    end(draft, service, &tended, all_begun);
    fill::start_waiting(draft, &slots);
}

/// One slot for each node that fits.
pub(super) fn global(draft: &mut Draft<'_>, service: &Service) {
    if !has_begun(service) {
        return forget(draft, service);
    }
    let maker = Maker::of(service);
    let mut slots = slots_of_run(draft, service);
    let joined = global::join(draft, &maker, &slots);
    leave_done(draft, &mut slots);
    global::leave(draft, service, &mut slots);
    let tended = tend(draft, &maker, &slots);
    end(draft, service, &tended, joined.is_empty());
    fill::start_waiting(draft, &slots);
}

/// With a schedule the first run has to come first.
fn has_begun(service: &Service) -> bool {
    let run = service.job_status.as_ref().map_or(0, |job| job.iteration);
    service.spec.schedule.is_none() || run > 0
}

/// What there is of a run that had begun before the job was given its schedule is to end and be forgotten.
fn forget(draft: &mut Draft<'_>, service: &Service) {
    want_all(draft, draft.base().tasks_of_service(service.id), DesiredState::Remove);
}

/// How the slots are that are not done.
struct Open {
    /// Those with a task, or to get one.
    at_work: usize,
    /// Those that are given up.
    failed: usize,
}

fn tend(draft: &mut Draft<'_>, maker: &Maker<'_>, slots: &[SlotTasks<'_>]) -> Open {
    let tended = slots.iter().map(|slot| fill::tend(draft, maker, slot));
    let failed = tended.filter(|tended| *tended == Tended::Ended).count();
    Open {
        at_work: slots.len() - failed,
        failed,
    }
}

/// Notes that the present run has ended, if nothing is left to do.
fn end(draft: &mut Draft<'_>, service: &Service, open: &Open, all_begun: bool) {
    let present = service.job_status.as_ref().filter(|job| !job.is_over());
    let (Some(job), 0, true) = (present, open.at_work, all_begun) else {
        return;
    };
    let outcome = if open.failed == 0 {
        RunOutcome::Completed
    } else {
        RunOutcome::Failed
    };
    draft.decide_service(Command::JobRun {
        id: service.id,
        iteration: job.iteration,
        at: draft.now,
        step: RunStep::End(outcome),
    });
}

/// The slots of the present run. The tasks of those before are to end and be forgotten.
fn slots_of_run<'a>(draft: &mut Draft<'a>, service: &Service) -> Vec<SlotTasks<'a>> {
    let run = service.job_status.as_ref().map(|job| job.iteration);
    let mut slots = slots_of(draft.base(), service.id, &Scope::Whole);
    for slot in &mut slots {
        for old in slot.tasks.extract_if(.., |task| task.job_iteration != run) {
            want(draft, old.id, DesiredState::Remove);
        }
    }
    slots.retain(|slot| !slot.tasks.is_empty());
    slots
}

/// Takes the slots from `slots` that are done. A second task of such a slot, made while nobody could say that the first
/// had ended well, has nothing to do any more.
fn leave_done(draft: &mut Draft<'_>, slots: &mut Vec<SlotTasks<'_>>) {
    for slot in slots.extract_if(.., |slot| is_done(slot)) {
        let others = slot.tasks.into_iter();
        let others = others.filter(|task| task.status.state != TaskState::Complete);
        want_all(draft, others, DesiredState::Shutdown);
    }
}

fn is_done(slot: &SlotTasks<'_>) -> bool {
    slot.tasks.iter().any(|task| task.status.state == TaskState::Complete)
}

#[cfg(test)]
mod tests;
