//! One pass of the control loop: orchestrator, reaper, allocator and scheduler over the same working area. Called by
//! the leader's loop; a pass over a state in which nothing is to be done returns nothing.

use std::collections::BTreeMap;

use model::{Service, ServiceId, TaskId, Timestamp};
use store::{Command, View};

use crate::{
    dirty::{Dirty, Scope},
    draft::{Draft, Ids},
    moment::Moment,
    orchestrator::{self, tasks_of},
    reaper, rotation, scheduler,
};

/// Decides what has to change, as commands to propose in this order. They fit `view`: if something else is applied in
/// between they may be refused, and the next pass decides anew. Propose the next pass's commands only after these have
/// been applied.
pub fn pass(view: &View, dirty: &Dirty, moment: Moment, ids: &mut dyn Ids) -> Vec<Command> {
    let mut scopes = dirty.scopes(view);
    scopes.extend(jobs_due(view, moment.now).map(|service| (service, Scope::Whole)));
    let mut draft = Draft::new(view, moment, ids);
    for (service, scope) in &scopes {
        orchestrator::reconcile(&mut draft, *service, scope);
    }
    for (service, scope) in &scopes {
        reaper::reap(&mut draft, *service, scope);
    }
    let waiting = waiting(&draft, dirty, &scopes);
    for (service, tasks) in &waiting {
        scheduler::place(&mut draft, *service, tasks);
    }
    let mut commands = draft.finish();
    commands.extend(rotation::finish(view));
    commands.extend(reaper::reap_payloads(view));
    commands
}

/// The jobs whose next run is to begin, which no event tells.
fn jobs_due(view: &View, now: Timestamp) -> impl Iterator<Item = ServiceId> {
    let due = move |service: &&Service| orchestrator::due(service).is_some_and(|due| due <= now);
    view.services_scheduled().filter(due).map(|service| service.id)
}

/// The tasks without a node that are to be looked at, by service, in the order of their slots.
fn waiting(draft: &Draft<'_>, dirty: &Dirty, scopes: &BTreeMap<ServiceId, Scope>) -> BTreeMap<ServiceId, Vec<TaskId>> {
    let state = draft.state();
    let mut found = Vec::new();
    if dirty.frees_waiting() {
        found.extend(state.tasks_without_node());
    } else {
        found.extend(draft.made().iter().filter_map(|id| state.task(*id)));
        let dirty = scopes
            .iter()
            .flat_map(|(service, scope)| tasks_of(state, *service, scope));
        found.extend(dirty.filter(|task| task.node.is_none()));
    }
    found.sort_by_cached_key(|task| (task.service, task.slot, task.id));
    found.dedup_by_key(|task| task.id);
    let mut waiting: BTreeMap<ServiceId, Vec<TaskId>> = BTreeMap::new();
    for task in found.into_iter().filter(|task| task.is_live()) {
        waiting.entry(task.service).or_default().push(task.id);
    }
    waiting
}

/// When a pass has something to do although no event has come: the next end of a restart delay, of the wait for a
/// predecessor, or of an update's delay or monitor time, or the time of a job's next run, if there is one. Never before
/// now.
pub fn next_deadline(view: &View, moment: Moment) -> Option<Timestamp> {
    let deadlines = view
        .tasks_waiting()
        .filter_map(|task| orchestrator::deadline(view, task, moment));
    let runs = view.services_scheduled().filter_map(orchestrator::due);
    let updates = view
        .services_updating()
        .filter_map(|service| orchestrator::update_deadline(view, service, moment));
    deadlines.chain(runs).chain(updates).min().map(|at| at.max(moment.now))
}
