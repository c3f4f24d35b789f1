//! What a pass has to look at: marked by events, so that a pass costs what has changed and not what there is.

use std::collections::{BTreeMap, BTreeSet};

use model::{DesiredState, NodeId, Service, ServiceId, Slot};
use store::{Event, View};

use crate::orchestrator::takes;

/// What has to be looked at again. Filled from events; the periodic pass uses [`Dirty::all`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dirty {
    everything: bool,
    services: BTreeSet<ServiceId>,
    slots: BTreeSet<(ServiceId, Slot)>,
    nodes: BTreeSet<NodeId>,
    /// Something changed that may let waiting tasks be placed.
    placement: bool,
    /// A secret or config may have become superfluous.
    payloads: bool,
}

/// What of one service to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All slots, those that are missing and those that are too many.
    Whole,
    /// These slots, each of which has tasks that are not to be forgotten. The service has as many slots as before, and no
    /// update is under way.
    Slots(BTreeSet<Slot>),
}

impl Dirty {
    /// Everything, as on a new leader and in the periodic pass.
    pub fn all() -> Self {
        Self {
            everything: true,
            ..Self::default()
        }
    }

    /// Marks what `event` may have an effect on.
    pub fn note(&mut self, event: &Event) {
        match event {
            // It may have given back virtual IPs and ports.
            Event::Service(service) => {
                self.services.insert(*service);
                self.placement = true;
            }
            Event::Task {
                service, slot, ended, ..
            } => {
                self.slots.insert((*service, *slot));
                self.placement |= ended;
            }
            // Its tasks may have to move, and others may come to it.
            Event::Node(node) => {
                self.nodes.insert(*node);
                self.placement = true;
            }
            Event::Cluster => self.everything = true,
            // An address may have become free, or the ingress network may be there now.
            Event::Network(_) => self.placement = true,
            // Who uses it is marked by events of its own. Every pass removes what nobody uses.
            Event::Payload { .. } => self.payloads = true,
        }
    }

    /// Nothing to be looked at.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether tasks that wait for an address or a node may get one now although nothing of their own has changed.
    pub(crate) fn frees_waiting(&self) -> bool {
        self.everything || self.placement
    }

    /// The services to look at, and what of each.
    pub(crate) fn scopes(&self, view: &View) -> BTreeMap<ServiceId, Scope> {
        let mut scopes = BTreeMap::new();
        if self.everything {
            let all = view
                .services()
                .map(|service| service.id)
                .chain(view.services_with_tasks());
            scopes.extend(all.map(|service| (service, Scope::Whole)));
            return scopes;
        }
        let awaited = self.awaited(view);
        let global = view.services().filter(|service| self.joins(view, &awaited, service));
        // An update may have something to do at a time that no event tells.
        let special = global.chain(view.services_updating()).map(|service| service.id);
        let whole = self.services.iter().copied().chain(special);
        scopes.extend(whole.map(|service| (service, Scope::Whole)));
        let mut slots: BTreeMap<ServiceId, BTreeSet<Slot>> = BTreeMap::new();
        let on_nodes = self.nodes.iter().flat_map(|node| view.tasks_on_node(*node));
        let tasks = on_nodes
            .chain(view.tasks_waiting())
            .map(|task| (task.service, task.slot));
        for (service, slot) in self.slots.iter().copied().chain(tasks) {
            if !scopes.contains_key(&service) {
                slots.entry(service).or_default().insert(slot);
            }
        }
        let part = |(service, slots)| (service, scope_of(view, service, slots));
        scopes.extend(slots.into_iter().map(part));
        scopes
    }

    /// Whether a changed node may have to get a task of a global service or job, or to lose one that it has not got yet.
    fn joins(&self, view: &View, awaited: &BTreeSet<NodeId>, service: &Service) -> bool {
        let mut lacking = self
            .nodes
            .iter()
            .filter(|node| service.spec.mode.is_global() && view.load_of_service(service.id, **node) == 0);
        lacking.any(|node| takes(view, service, *node) || awaited.contains(node))
    }

    /// The nodes that have changed and that tasks of global services and jobs wait for.
    fn awaited(&self, view: &View) -> BTreeSet<NodeId> {
        if self.nodes.is_empty() {
            return BTreeSet::new();
        }
        let pinned = view.tasks_without_node().filter_map(|task| task.pinned);
        pinned.filter(|node| self.nodes.contains(node)).collect()
    }
}

/// Jobs, slots that have to be counted, a service under update, with a canary or being evened out, and one of which most slots are to be
/// looked at anyway: the whole of it.
fn scope_of(view: &View, id: ServiceId, slots: BTreeSet<Slot>) -> Scope {
    let whole = view.service(id).is_some_and(|service| {
        let most = service
            .spec
            .replicas()
            .is_some_and(|replicas| slots.len() > replicas as usize / 2);
        most || service.spec.mode.is_job()
            || service.rebalance.is_some()
            || service.canary.is_some()
            || view.has_outdated_tasks(service)
            || slots.iter().any(|slot| is_vacant(view, id, *slot))
    });
    if whole { Scope::Whole } else { Scope::Slots(slots) }
}

/// Whether a slot of a service is given up or was never filled: then slots have to be counted.
fn is_vacant(view: &View, service: ServiceId, slot: Slot) -> bool {
    let kept = |task: &model::Task| task.desired < DesiredState::Remove;
    !view.tasks_in_slot(service, slot).any(kept)
}

#[cfg(test)]
mod tests;
