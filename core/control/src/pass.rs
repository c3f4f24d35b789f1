//! One pass of the control loop: orchestrator, allocator, scheduler and reaper over the same working area. Called by
//! the leader's loop; a pass over a state in which nothing is to be done returns nothing.

use std::collections::BTreeSet;

use model::{ServiceId, Timestamp};
use store::{Command, Event, View};

use crate::{
    allocator,
    draft::{Draft, Ids},
    orchestrator, reaper, scheduler,
};

/// What has to be looked at again. Filled from events; the periodic pass uses [`Dirty::all`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dirty {
    everything: bool,
    services: BTreeSet<ServiceId>,
    /// Something changed that may let waiting tasks be placed.
    placement: bool,
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
            Event::Service(service) | Event::Task { service, .. } => {
                self.services.insert(*service);
            }
            // Its tasks may have to move, and others may come to it.
            Event::Node(_) | Event::Cluster => self.everything = true,
            // An address may have become free, or the ingress network may be there now.
            Event::Network(_) => self.placement = true,
        }
    }

    /// Nothing to be looked at.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn services(&self, view: &View) -> BTreeSet<ServiceId> {
        let mut services = self.services.clone();
        services.extend(view.tasks_waiting().map(|task| task.service));
        if self.everything {
            services.extend(view.services().map(|service| service.id));
            services.extend(view.tasks().map(|task| task.service));
        }
        services
    }
}

/// Decides what has to change, as commands to propose in this order. They fit `view`: if something else is applied in
/// between they may be refused, and the next pass decides anew. Propose the next pass's commands only after these have
/// been applied.
pub fn pass(view: &View, dirty: &Dirty, now: Timestamp, ids: &mut dyn Ids) -> Vec<Command> {
    let services = dirty.services(view);
    let mut draft = Draft::new(view, now, ids);
    for service in &services {
        orchestrator::reconcile(&mut draft, *service);
    }
    reaper::reap(&mut draft, &services);
    allocator::allocate(&mut draft);
    scheduler::place(&mut draft);
    draft.finish()
}

/// When a pass has something to do although no event has come: the next end of a restart delay or of the wait for a
/// predecessor, if there is one. Never before `now`.
pub fn next_deadline(view: &View, now: Timestamp) -> Option<Timestamp> {
    let deadlines = view
        .tasks_waiting()
        .filter_map(|task| orchestrator::deadline(view, task));
    deadlines.min().map(|at| at.max(now))
}
