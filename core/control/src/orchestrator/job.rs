//! Jobs: tasks that are to end. Each run (iteration) begins with empty slots, and a slot in which a task has ended well
//! is done. A slot whose attempts are used up stays empty, and the job does not come to its end.

use model::{DesiredState, Service, TaskState};

use super::{
    SlotTasks,
    fill::{self, Maker, Tended},
    global,
    restart::Next,
    scale,
    slot::slots_of,
    want,
};
use crate::{dirty::Scope, draft::Draft};

/// So many slots, not more than `max_concurrent` of them at work (0: all).
pub(super) fn replicated(draft: &mut Draft<'_>, service: &Service, max_concurrent: u32, total: u32) {
    let maker = Maker::of(service);
    let mut slots = slots_of_run(draft, service);
    let used = slots.len();
    let numbers = scale::missing(&slots, total as usize);
    slots.retain(|slot| !is_done(slot));
    let at_work = tend(draft, &maker, &slots);
    let limit = match max_concurrent {
        0 => total as usize,
        limit => limit as usize,
    };
    let room = limit.saturating_sub(at_work).min((total as usize).saturating_sub(used));
    for slot in numbers.into_iter().take(room) {
        maker.create(draft, slot, None, Next::Now);
    }
    fill::start_waiting(draft, &slots);
}

/// One slot for each node that fits.
pub(super) fn global(draft: &mut Draft<'_>, service: &Service) {
    let maker = Maker::of(service);
    let mut slots = slots_of_run(draft, service);
    global::join(draft, &maker, &slots);
    slots.retain(|slot| !is_done(slot));
    global::leave(draft, service, &mut slots);
    tend(draft, &maker, &slots);
    fill::start_waiting(draft, &slots);
}

/// Tends slots that are not done; how many are at work.
fn tend(draft: &mut Draft<'_>, maker: &Maker<'_>, slots: &[SlotTasks<'_>]) -> usize {
    let tended = slots.iter().map(|slot| fill::tend(draft, maker, slot));
    tended.filter(|tended| *tended != Tended::Ended).count()
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

fn is_done(slot: &SlotTasks<'_>) -> bool {
    slot.tasks.iter().any(|task| task.status.state == TaskState::Complete)
}

#[cfg(test)]
mod tests;
