//! Global services and jobs: one slot for each node that fits, whose tasks run there and nowhere else. A slot's number
//! stands for its node as long as it has tasks.

use std::collections::BTreeSet;

use model::{Availability, DesiredState, Node, NodeId, NodeState, Service, Slot};
use store::View;

use super::{
    SlotTasks,
    fill::{self, Maker},
    restart::Next,
    slot::slots_without_canaries,
    want_all,
};
use crate::{
    dirty::Scope,
    draft::Draft,
    scheduler::{fits_platform, is_admitted, meets_constraints},
};

pub(super) fn reconcile(draft: &mut Draft<'_>, service: &Service, scope: &Scope) {
    let maker = Maker::of(service);
    let mut slots = slots_without_canaries(draft.base(), service, scope);
    if *scope == Scope::Whole {
        join(draft, &maker, &slots);
    }
    leave(draft, service, &mut slots);
    fill::keep(draft, &maker, &slots, scope);
}

/// Gives a slot to each node that fits and has none; `slots` are all. The numbers that were taken.
pub(super) fn join(draft: &mut Draft<'_>, maker: &Maker<'_>, slots: &[SlotTasks<'_>]) -> BTreeSet<Slot> {
    let known: BTreeSet<NodeId> = slots.iter().filter_map(SlotTasks::pinned).collect();
    let view = draft.base();
    let new = view.nodes().filter(|node| !known.contains(&node.id));
    let new = new.filter(|node| takes(view, maker.service, node.id));
    let new: Vec<NodeId> = new.map(|node| node.id).collect();
    let numbers = super::scale::missing(slots, slots.len() + new.len());
    for (slot, node) in numbers.iter().zip(new) {
        maker.create(draft, *slot, Some(node), Next::Now);
    }
    numbers.into_iter().collect()
}

/// Stops what runs on nodes that do not fit any more, forgets what was on nodes that are gone, and takes the slots of
/// both from `slots`.
pub(super) fn leave(draft: &mut Draft<'_>, service: &Service, slots: &mut Vec<SlotTasks<'_>>) {
    let view = draft.base();
    let left = |slot: &mut SlotTasks<'_>| !slot.pinned().is_some_and(|node| keeps(view, service, node));
    for slot in slots.extract_if(.., left) {
        let gone = slot.pinned().is_none_or(|node| view.node(node).is_none());
        let desired = if gone {
            DesiredState::Remove
        } else {
            DesiredState::Shutdown
        };
        want_all(draft, slot.tasks.into_iter(), desired);
    }
}

/// Whether a node that has no task of a service is to get one.
pub(crate) fn takes(view: &View, service: &Service, node: NodeId) -> bool {
    let fits = |node: &Node| is_admitted(node) && fits_platform(&service.spec.placement.platforms, node);
    view.node(node).is_some_and(fits) && keeps(view, service, node)
}

/// Whether a node's task of a service may go on, and be replaced when it has ended.
pub(super) fn keeps(view: &View, service: &Service, node: NodeId) -> bool {
    view.node(node).is_some_and(|node| {
        node.status.state != NodeState::Down
            && node.spec.availability != Availability::Drain
            && meets_constraints(service, node)
    })
}

#[cfg(test)]
mod tests;
