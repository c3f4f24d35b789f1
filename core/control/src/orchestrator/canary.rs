//! Canaries: which slots have one, and how they are kept. All other tasks go on as if there were none.
//!
//! A paused canary makes no new tasks; those that run go on.

use std::collections::BTreeMap;

use model::{Canary, DesiredState, NodeId, Service, Slot, Task, TaskId};
use store::View;

use super::{
    SlotTasks,
    fill::{Maker, start_waiting, tend},
    global,
    restart::Next,
    slot::{is_misplaced, slots_of},
    want,
};
use crate::{dirty::Scope, draft::Draft};

/// A slot that can have a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seat {
    slot: Slot,
    /// The one node that its tasks are for.
    pinned: Option<NodeId>,
    claim: Claim,
}

/// What a slot has of the present canary; the first keep it longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    /// A task that is wanted.
    Wanted,
    /// One that has had its time: it is not tried in another slot instead.
    Past,
    /// Nothing.
    None,
}

/// Brings the canaries of a service in line with its spec, after its other tasks: what they are now decides.
pub(super) fn reconcile(draft: &mut Draft<'_>, service: &Service, canary: Canary) {
    let chosen = choose(draft.state(), service, canary);
    for (task, desired) in superfluous(draft.state(), service, &chosen) {
        want(draft, task, desired);
    }
    let maker = Maker::of(service);
    // As it is now: this pass may have paused it.
    let status = draft.state().service(service.id).and_then(|s| s.update_status.as_ref());
    let paused = status.is_some_and(|status| status.state.is_paused());
    let mut present = slots_of(draft.base(), service.id, &Scope::Whole);
    for slot in &mut present {
        slot.tasks.retain(|task| task.spec_version == service.spec_version);
    }
    present.retain(|slot| !slot.tasks.is_empty() && chosen.contains_key(&slot.slot));
    for (slot, pinned) in chosen {
        let there = present.binary_search_by_key(&slot, |present| present.slot);
        match (there.ok().map(|at| &present[at]), paused) {
            (Some(present), false) => drop(tend(draft, &maker, present)),
            (Some(present), true) => leave(draft, service, present),
            (None, false) => maker.create(draft, slot, pinned, Next::Now),
            (None, true) => {}
        }
    }
    start_waiting(draft, &present);
}

/// Of a slot of a paused canary: what has ended, or cannot stay where it is, is not made again.
fn leave(draft: &mut Draft<'_>, service: &Service, slot: &SlotTasks<'_>) {
    let view = draft.base();
    for task in slot.tasks.iter().filter(|task| task.desired < DesiredState::Shutdown) {
        if !task.is_live() || is_misplaced(view, service, task) {
            want(draft, task.id, DesiredState::Shutdown);
        }
    }
}

/// The slots with a canary: as many as the share asks for, those first that have one, then the lowest.
fn choose(view: &View, service: &Service, canary: Canary) -> BTreeMap<Slot, Option<NodeId>> {
    let slots = slots_of(view, service.id, &Scope::Whole);
    let mut seats: Vec<Seat> = slots.iter().filter_map(|slot| seat(service, slot)).collect();
    let count = canary.tasks(seats.len());
    seats.retain(|seat| admits(view, service, seat));
    seats.sort_by_key(|seat| (seat.claim, seat.slot));
    seats.truncate(count);
    seats.into_iter().map(|seat| (seat.slot, seat.pinned)).collect()
}

/// A slot whose task of the spec before is wanted.
fn seat(service: &Service, slot: &SlotTasks<'_>) -> Option<Seat> {
    let wanted = |task: &&&Task| task.desired < DesiredState::Shutdown;
    let other = |task: &&&Task| !service.is_canary(task.spec_version);
    let twin = slot.tasks.iter().filter(other).rfind(wanted)?;
    let mut own = slot
        .tasks
        .iter()
        .filter(|task| task.spec_version == service.spec_version);
    let claim = match (own.clone().any(|task| wanted(&task)), own.next()) {
        (true, _) => Claim::Wanted,
        (false, Some(_)) => Claim::Past,
        (false, None) => Claim::None,
    };
    Some(Seat {
        slot: slot.slot,
        pinned: twin.pinned,
        claim,
    })
}

/// Whether the node of a seat, if it has one, is also one for canaries.
fn admits(view: &View, service: &Service, seat: &Seat) -> bool {
    let fits = |node| match seat.claim {
        Claim::None => global::takes(view, service, node),
        Claim::Wanted | Claim::Past => global::keeps(view, service, node),
    };
    seat.pinned.is_none_or(fits)
}

/// Canaries that go: those of an earlier spec, in slots that have none any more, or that are no more.
fn superfluous(view: &View, service: &Service, chosen: &BTreeMap<Slot, Option<NodeId>>) -> Vec<(TaskId, DesiredState)> {
    let mut gone = Vec::new();
    for slot in slots_of(view, service.id, &Scope::Whole) {
        let is_canary = |task: &Task| service.is_canary(task.spec_version);
        let given_up = slot.tasks.iter().all(|task| is_canary(task));
        for task in slot.tasks.iter().filter(|task| is_canary(task)) {
            let stays = chosen.contains_key(&slot.slot) && task.spec_version == service.spec_version;
            if given_up {
                gone.push((task.id, DesiredState::Remove));
            } else if !stays && task.desired < DesiredState::Shutdown {
                gone.push((task.id, DesiredState::Shutdown));
            }
        }
    }
    gone
}

#[cfg(test)]
mod tests;
