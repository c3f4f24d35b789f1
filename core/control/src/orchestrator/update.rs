//! Updates: which tasks of another spec are replaced now, and what becomes of an update whose new tasks fail.
//!
//! Decided from the tasks and the service's `update_status` alone, so that the next leader goes on where one has left off.
//! What policies mean is Swarm's (swarmkit, `manager/orchestrator/update`): `parallelism` workers take one slot after the
//! other, each waits until the new task runs or has ended, then for the delay; failures count within the monitor time.

mod way;

use model::{
    DesiredState, FailureAction, NodeId, Service, ServiceId, Slot, Task, TaskId, Timestamp, UpdateOrder, UpdatePolicy,
};
use store::{Command, RollbackCause, View};

use super::{
    SlotTasks,
    restart::{self, Next},
    slot::slots_of,
};
use crate::{
    dirty::Scope,
    draft::Draft,
    moment::Moment,
    request::plan_rollback_service,
    scheduler::{has_engine, is_admitted},
};
use way::{Site, Way};

/// A slot that gets a task of the present spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Replacement {
    /// Which.
    pub slot: Slot,
    /// The one node that its tasks are for.
    pub pinned: Option<NodeId>,
    /// Those that go for it; with start-first the running one does not go yet.
    pub gone: Vec<TaskId>,
    /// When the new one starts.
    pub next: Next,
}

/// How an update stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It goes on.
    Goes,
    /// All slots have their new task, and none has failed for the monitor time.
    Completed,
    /// Too many new tasks have failed, this one last.
    Failed(TaskId),
}

/// The latest update of one service.
struct Round<'a> {
    service: &'a Service,
    policy: UpdatePolicy,
    ways: Vec<Way<'a>>,
    moment: Moment,
}

impl<'a> Round<'a> {
    fn of(view: &View, service: &'a Service, slots: &'a [SlotTasks<'a>], moment: Moment) -> Self {
        let status = service.update_status.as_ref();
        let back = status.is_some_and(|status| status.state.is_rollback());
        let policy = if back {
            service.spec.rollback
        } else {
            service.spec.update
        };
        let began = moment.noted(status.map_or(service.updated_at, |status| status.started_at));
        let way = |slot| Way::of(slot, site(view, slot), service.spec_version, (began, back));
        let ways = slots.iter().map(way).filter(|way| !way.is_passed_over());
        Self {
            service,
            policy: policy.unwrap_or_default(),
            ways: ways.collect(),
            moment,
        }
    }

    fn verdict(&self) -> Verdict {
        let (monitor, moment) = (self.policy.monitor, self.moment);
        let failures = self.ways.iter().filter_map(|way| way.failure(monitor, moment));
        let failed: Vec<&Task> = failures.collect();
        let takes_part = |way: &&Way<'_>| way.takes_part(self.service.canary.is_some());
        let slots = self.ways.iter().filter(takes_part).count();
        let too_many = self
            .policy
            .max_failure_ratio
            .is_exceeded_by(failed.len() as u64, slots as u64);
        let last = failed.into_iter().max_by_key(|task| (task.updated_at, task.id));
        match last.filter(|_| too_many && self.policy.failure_action != FailureAction::Continue) {
            Some(task) => Verdict::Failed(task.id),
            None if self.completion().is_some_and(|at| at <= moment.now) => Verdict::Completed,
            None => Verdict::Goes,
        }
    }

    /// When the update is complete if nothing fails until then; `None`: there is still something to replace, or it is a
    /// canary, which lasts until somebody decides about it. Not before the leader has heard what may have failed before
    /// its time.
    fn completion(&self) -> Option<Timestamp> {
        if self.service.canary.is_some() {
            return None;
        }
        let given_up = |way: &Way<'_>| self.retry(way) == Some(Next::Never);
        let settled = |way: &Way<'_>| !way.is_under_way() && !way.is_vacant();
        let done = |way: &Way<'_>| settled(way) && (way.old.is_none() || given_up(way));
        if !self.ways.iter().all(done) {
            return None;
        }
        let last = self.ways.iter().filter_map(Way::settled).max();
        let calm = last.map(|at| (self.moment.noted(at) + self.policy.monitor).max(self.moment.caught_up()));
        Some(calm.unwrap_or(self.moment.now))
    }

    /// When a slot whose new task has failed beside the old one is tried again; `None`: it has not.
    fn retry(&self, way: &Way<'_>) -> Option<Next> {
        way.settled()?;
        let policy = self.service.spec.restart_policy();
        let last = way.newest()?;
        Some(restart::after(
            &policy,
            self.service.spec_version,
            &way.slot.tasks,
            last,
            self.moment,
        ))
    }

    /// Ends of delays that workers spend now.
    fn delays(&self) -> impl Iterator<Item = Timestamp> {
        let now = self.moment.now;
        let ends = self.ways.iter().filter_map(Way::settled);
        ends.map(|at| self.moment.noted(at) + self.policy.delay)
            .filter(move |end| *end > now)
    }

    /// Whether its old task waits for its turn to be replaced; also beside a new one, made when both were to run, that
    /// does not get a place so: with stop-first it is made again, in the old one's.
    fn waits(&self, way: &Way<'_>) -> bool {
        way.old.is_some() && (!way.has_successor() || self.makes_room(way))
    }

    /// Whether it is one of the latter.
    fn makes_room(&self, way: &Way<'_>) -> bool {
        self.policy.order == UpdateOrder::StopFirst && way.is_stuck()
    }

    fn replacements(&self) -> Vec<Replacement> {
        let outdated = self.ways.iter().filter(|way| way.is_open() && self.waits(way));
        let (running, idle): (Vec<&Way<'_>>, Vec<&Way<'_>>) = outdated.partition(|way| way.old_runs());
        let open = self.ways.iter().filter(|way| way.is_open());
        let at_work = open.filter(|way| way.is_under_way() && !self.waits(way));
        let busy = at_work.count() + idle.len();
        let limit = match self.policy.parallelism {
            0 => usize::MAX,
            slots => slots as usize,
        };
        let mut free = limit.saturating_sub(busy + self.delays().count());
        // Nothing is lost by what does not run.
        let mut chosen: Vec<Replacement> = idle
            .into_iter()
            .map(|way| way.replaced(UpdateOrder::StopFirst, Next::Now))
            .collect();
        for way in running {
            let makes_room = self.makes_room(way);
            let next = match self.retry(way).filter(|_| !makes_room) {
                Some(next) => next,
                None if free > 0 => {
                    free -= 1;
                    Next::Now
                }
                None => Next::Wait,
            };
            if !matches!(next, Next::Wait | Next::Never) {
                // Beside an old task that has outlived one of them, whatever the order: it was a canary.
                let beside = way.settled().filter(|_| !makes_room).map(|_| UpdateOrder::StartFirst);
                chosen.push(way.replaced(beside.unwrap_or(self.policy.order), next));
            }
        }
        chosen
    }
}

/// How the node of a slot stands, if it is for one.
fn site(view: &View, slot: &SlotTasks<'_>) -> Site {
    match slot.pinned().and_then(|node| view.node(node)) {
        Some(node) if !is_admitted(node) => Site::Closed,
        Some(node) if !has_engine(node) => Site::Waits,
        _ => Site::Open,
    }
}

/// The slots of a service that get a task of its present spec now.
pub(super) fn replacements(view: &View, service: ServiceId, moment: Moment) -> Vec<Replacement> {
    let paused = |service: &Service| service.update_status.as_ref().is_some_and(|s| s.state.is_paused());
    let goes = |service: &&Service| service.canary.is_none() && !paused(service) && view.has_outdated_tasks(service);
    let Some(service) = view.service(service).filter(goes) else {
        return Vec::new();
    };
    let slots = slots_of(view, service.id, &Scope::Whole);
    Round::of(view, service, &slots, moment).replacements()
}

/// Ends an update that is complete or has failed. True: the service has another spec now, by which everything else is to
/// be decided.
pub(super) fn conclude(draft: &mut Draft<'_>, service: &Service) -> bool {
    let (view, now) = (draft.base(), draft.now);
    let Some(status) = service.update_status.as_ref().filter(|s| s.state.is_under_way()) else {
        return false;
    };
    let slots = slots_of(view, service.id, &Scope::Whole);
    let round = Round::of(view, service, &slots, draft.moment);
    let status = match round.verdict() {
        Verdict::Goes => return false,
        Verdict::Completed => status.completed(now),
        Verdict::Failed(task) => {
            let mut words = format!("due to failure or early termination of task {task}");
            if !status.state.is_rollback() && round.policy.failure_action == FailureAction::Rollback {
                let cause = RollbackCause::Failed(task);
                match plan_rollback_service(view, service.id, service.version, now, cause) {
                    Ok(rollback) => {
                        draft.decide_service(rollback);
                        return true;
                    }
                    Err(why) => words.push_str(&format!(", and cannot be rolled back: {why}")),
                }
            }
            status.paused(&words)
        }
    };
    let (id, version) = (service.id, service.version);
    let status = Box::new(status);
    draft.decide_service(Command::SetUpdateStatus { id, version, status });
    false
}

/// When the update of a service goes on, or is complete, although nothing happens.
pub(crate) fn deadline(view: &View, service: &Service, moment: Moment) -> Option<Timestamp> {
    if service.canary.is_some() {
        return None;
    }
    let slots = slots_of(view, service.id, &Scope::Whole);
    let round = Round::of(view, service, &slots, moment);
    let delayed = round
        .ways
        .iter()
        .any(|way| round.waits(way))
        .then(|| round.delays().min())
        .flatten();
    delayed.or_else(|| round.completion())
}

/// The wanted task of the present spec that is to take the place of `current`, which is of another, once it runs.
pub(super) fn successor<'a>(service: &Service, slot: &SlotTasks<'a>, current: Option<&Task>) -> Option<&'a Task> {
    let fits = |task: &Task| task.spec_version == service.spec_version;
    current.filter(|task| !fits(task))?;
    slot.live().filter(|task| fits(task)).last()
}

/// The task of a slot without which nobody would know that the slot has had its turn in the update under way.
/// `tasks` are the slot's, oldest first.
pub(crate) fn witness(service: &Service, tasks: &[&Task]) -> Option<TaskId> {
    let status = service.update_status.as_ref().filter(|s| s.state.is_under_way())?;
    let tail = way::tail(tasks, service.spec_version, status.state.is_rollback());
    tail.first().map(|task| task.id)
}

/// Of a slot's tasks those that are still wanted, ended or not.
fn kept<'a>(slot: &SlotTasks<'a>) -> impl Iterator<Item = &'a Task> {
    slot.tasks
        .iter()
        .copied()
        .filter(|task| task.desired < DesiredState::Shutdown)
}

#[cfg(test)]
mod tests;
