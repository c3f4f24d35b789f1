//! Replicated services: as many slots as replicas, one wanted task in each.

use model::{DesiredState, Service};

use super::{
    SlotTasks, even,
    fill::{self, Maker},
    restart::Next,
    scale,
    slot::slots_without_canaries,
    want,
};
use crate::{dirty::Scope, draft::Draft, scheduler::path};

pub(super) fn reconcile(draft: &mut Draft<'_>, service: &Service, replicas: u32, scope: &Scope) {
    let mut slots = slots_without_canaries(draft.base(), service, scope);
    let maker = Maker::of(service);
    if *scope == Scope::Whole {
        let even::Step { extra, move_away } = even::step(draft, service, replicas, &slots);
        let replicas = replicas.saturating_add(extra);
        give_up(draft, service, &mut slots, replicas);
        for slot in scale::missing(&slots, replicas as usize) {
            maker.create(draft, slot, None, Next::Now);
        }
        for slot in slots.extract_if(.., |slot| move_away.contains(&slot.slot)) {
            slot.live()
                .for_each(|task| want(draft, task.id, DesiredState::Shutdown));
            maker.create(draft, slot.slot, None, Next::Now);
        }
    }
    fill::keep(draft, &maker, &slots, scope);
}

/// Dooms the tasks of the slots that are too many, and takes these slots from `slots`.
fn give_up(draft: &mut Draft<'_>, service: &Service, slots: &mut Vec<SlotTasks<'_>>, replicas: u32) {
    let view = draft.base();
    let path = |node| {
        view.node(node)
            .map_or_else(Vec::new, |node| path(service, node).collect())
    };
    let surplus = scale::surplus(slots, replicas as usize, path);
    for slot in slots.extract_if(.., |slot| surplus.contains(&slot.slot)) {
        for task in slot.tasks {
            want(draft, task.id, DesiredState::Remove);
        }
    }
}

#[cfg(test)]
mod tests;
