//! How far a service is, line by line, as docker shows it.

mod seat;

use std::collections::BTreeMap;

use model::{DesiredState, Mode, Service, Task, TaskState, UpdateState};

use seat::{Filled, Seat, fault, in_rows, line, newest_by_seat};

/// Lines that are shown one by one; of more only the sum is.
const SHOWN: usize = 20;

/// How far a service is.
pub struct Progress {
    what: &'static str,
    mode: Mode,
    /// Slots in all, canaries or not.
    slots: usize,
    wanted: usize,
    done: usize,
    live: usize,
    seats: BTreeMap<Seat, Filled>,
    surplus: usize,
    /// Its update, or its run, is over: there is nothing more to come.
    is_over: bool,
    canary: Option<Box<Self>>,
}

impl Progress {
    /// Of a service with these tasks.
    pub fn of(service: &Service, tasks: &[Task]) -> Self {
        let (Some(others), Some(canary)) = (service.without_canary(), service.canary) else {
            return Self::of_kind(service, tasks);
        };
        let (new, old): (Vec<Task>, Vec<Task>) = tasks
            .iter()
            .cloned()
            .partition(|task| service.is_canary(task.spec_version));
        let old = Self::of_kind(&others, &old);
        let mut new = Self::of_kind(service, &new);
        new.seats
            .retain(|_, (task, _)| task.spec_version == service.spec_version && task.desired < DesiredState::Shutdown);
        new.what = "canary";
        new.slots = old.wanted;
        new.wanted = canary.tasks(old.wanted);
        new.done = new.done.min(new.wanted);
        new.surplus = new.live.saturating_sub(new.wanted);
        Self {
            canary: Some(Box::new(new)),
            ..old
        }
    }

    /// Of all tasks, or of a canary's, or of the others.
    fn of_kind(service: &Service, tasks: &[Task]) -> Self {
        let mode = service.spec.mode;
        let iteration = service.job_status.as_ref().map(|status| status.iteration);
        let mine = || tasks.iter().filter(|task| task.job_iteration == iteration);
        let mut newest = newest_by_seat(mine(), service.spec_version);
        newest.retain(|_, task| !mode.is_global() || is_to_have(service, task));
        let faults = newest_by_seat(mine().filter(|task| !task.status.err.is_empty()), service.spec_version);
        let live = tasks.iter().filter(|task| task.is_live()).count();
        let wanted = match mode {
            Mode::Replicated { replicas } => replicas as usize,
            Mode::ReplicatedJob { total_completions, .. } => total_completions as usize,
            Mode::Global | Mode::GlobalJob => newest.len(),
        };
        let surplus = match mode {
            Mode::Replicated { .. } => live.saturating_sub(wanted),
            // Of a global service an older task may stay where an update does not come to, as on nodes that are paused.
            Mode::Global | Mode::ReplicatedJob { .. } | Mode::GlobalJob => 0,
        };
        Self {
            what: if mode.is_job() { "job" } else { "overall" },
            mode,
            slots: wanted,
            wanted,
            live,
            is_over: is_over(service),
            canary: None,
            done: newest
                .values()
                .filter(|task| is_as_wanted(service, task))
                .count()
                .min(wanted),
            surplus,
            seats: newest
                .into_iter()
                .map(|(seat, task)| (seat, (task.clone(), fault(task, faults.get(&seat).copied()))))
                .collect(),
        }
    }

    /// Whether all is as wanted.
    pub fn is_done(&self) -> bool {
        if self.mode.is_job() && self.is_over {
            return true;
        }
        let canary = self.canary.as_ref().is_none_or(|canary| canary.is_done());
        self.done == self.wanted && self.surplus == 0 && !self.has_not_begun() && canary
    }

    /// Which nodes are to have a task is known from the tasks alone: there may be none to come.
    pub fn has_not_begun(&self) -> bool {
        self.mode.is_global() && self.wanted == 0 && !self.is_over
    }

    /// What is shown; with bars where they are drawn over.
    pub fn lines(&self, bars: bool) -> Vec<String> {
        let (what, done, wanted) = (self.what, self.done, self.wanted);
        let mut lines = match &self.canary {
            Some(canary) => canary.lines(bars),
            None => Vec::new(),
        };
        if self.has_not_begun() {
            let unit = if self.mode.is_job() { "tasks" } else { "new tasks" };
            lines.push(format!("{what} progress: waiting for {unit}"));
            return lines;
        }
        let unit = if self.mode.is_job() { "complete" } else { "tasks" };
        lines.push(format!("{what} progress: {done} out of {wanted} {unit}"));
        if wanted <= SHOWN && (self.canary.is_none() || done < wanted) {
            lines.extend(self.seat_lines(bars));
        }
        lines
    }

    fn seat_lines(&self, bars: bool) -> Vec<String> {
        if self.mode.is_global() {
            let label = |seat: &Seat| match seat {
                Seat::Slot(number) => number.to_string(),
                Seat::Node(node) => node.short(),
            };
            let seats = self.seats.iter();
            return seats
                .map(|(seat, filled)| line(&label(seat), Some(filled), bars))
                .collect();
        }
        let rows = in_rows(&self.seats, self.slots).into_iter().zip(1..);
        // Few slots have a canary: those without one are not waited for.
        let rows = rows.filter(|(filled, _)| filled.is_some() || self.what != "canary");
        rows.map(|(filled, number)| line(&format!("{number}/{}", self.slots), filled, bars))
            .collect()
    }
}

/// Whether a task has come as far as it is to come.
fn is_as_wanted(service: &Service, task: &Task) -> bool {
    let state = task.status.state;
    match service.spec.mode.is_job() {
        true => state == TaskState::Complete,
        false => task.is_live() && state == TaskState::Running && task.spec_version == service.spec_version,
    }
}

/// Whether a node is to have a task of a global service now, by the newest one that it was given. Not where that was
/// taken away, since the node is down, drained or excluded; and where it is of an older spec, only as long as an update
/// may still come to it.
fn is_to_have(service: &Service, task: &Task) -> bool {
    use TaskState::{Complete, Failed, Rejected};
    let ended_by_itself = matches!(task.status.state, Complete | Failed | Rejected);
    let taken_away = task.desired >= DesiredState::Shutdown && !ended_by_itself;
    let status = service.update_status.as_ref().map(|status| status.state);
    let updating = matches!(status, Some(UpdateState::Updating | UpdateState::RollbackStarted));
    let current = service.spec.mode.is_job() || task.spec_version == service.spec_version;
    !taken_away && (current || updating)
}

/// Whether the latest update, or the present run of a job, has come to its end.
fn is_over(service: &Service) -> bool {
    let status = service.update_status.as_ref().map(|status| status.state);
    match &service.job_status {
        Some(job) => job.is_over(),
        None => matches!(status, Some(UpdateState::Completed | UpdateState::RollbackCompleted)),
    }
}

#[cfg(test)]
mod tests;
