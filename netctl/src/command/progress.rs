//! How far a service is, line by line, as docker shows it.

use std::collections::BTreeMap;

use model::{DesiredState, Mode, NodeId, Service, Task, TaskId, TaskState, Timestamp};

/// Lines that are shown one by one; of more only the sum is.
const SHOWN: usize = 20;
/// Characters of the longest state of a task that is on its way, `preparing`.
const LONGEST_STATE: usize = 9;
/// Characters of a full bar.
const BAR: usize = 50;

/// Where a task is one of: a slot, or a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seat {
    Slot(u32),
    Node(NodeId),
}

/// How far a service is.
pub struct Progress {
    what: &'static str,
    mode: Mode,
    /// Slots in all, canaries or not.
    slots: usize,
    wanted: usize,
    done: usize,
    live: usize,
    /// The newest task of each seat and why the last one of it failed.
    seats: BTreeMap<Seat, (Task, Option<String>)>,
    surplus: usize,
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
        let newest = newest_by_seat(mine(), service.spec_version);
        let faults = newest_by_seat(mine().filter(|task| !task.status.err.is_empty()), service.spec_version);
        let current = |task: &Task| task.spec_version == service.spec_version;
        let up = |task: &Task| task.is_live() && task.status.state == TaskState::Running && current(task);
        let done = |task: &Task| match mode.is_job() {
            true => task.status.state == TaskState::Complete,
            false => up(task),
        };
        let live = tasks.iter().filter(|task| task.is_live()).count();
        let wanted = match mode {
            Mode::Replicated { replicas } => replicas as usize,
            Mode::ReplicatedJob { total_completions, .. } => total_completions as usize,
            Mode::Global | Mode::GlobalJob => newest.len(),
        };
        Self {
            what: if mode.is_job() { "job" } else { "overall" },
            mode,
            slots: wanted,
            wanted,
            live,
            canary: None,
            done: newest.values().filter(|task| done(task)).count().min(wanted),
            surplus: if mode.is_job() { 0 } else { live.saturating_sub(wanted) },
            seats: newest
                .into_iter()
                .map(|(seat, task)| (seat, (task.clone(), fault(task, faults.get(&seat).copied()))))
                .collect(),
        }
    }

    /// Whether all is as wanted.
    pub fn is_done(&self) -> bool {
        let canary = self.canary.as_ref().is_none_or(|canary| canary.is_done());
        self.done == self.wanted && self.surplus == 0 && canary
    }

    /// What is shown; with bars where they are drawn over.
    pub fn lines(&self, bars: bool) -> Vec<String> {
        let (what, done, wanted) = (self.what, self.done, self.wanted);
        let mut lines = match &self.canary {
            Some(canary) => canary.lines(bars),
            None => Vec::new(),
        };
        let unit = if self.mode.is_job() { "complete" } else { "tasks" };
        lines.push(format!("{what} progress: {done} out of {wanted} {unit}"));
        if wanted > SHOWN || (self.canary.is_some() && done == wanted) {
            return lines;
        }
        if self.mode.is_global() || what == "canary" {
            lines.extend(
                self.seats
                    .iter()
                    .map(|(seat, state)| line(&self.label(*seat), Some(state), bars)),
            );
        } else {
            let seats = (1..=wanted as u32).map(Seat::Slot);
            lines.extend(seats.map(|seat| line(&self.label(seat), self.seats.get(&seat), bars)));
        }
        lines
    }

    fn label(&self, seat: Seat) -> String {
        match seat {
            Seat::Slot(number) => format!("{number}/{}", self.slots),
            Seat::Node(node) => node.short(),
        }
    }
}

/// What is neither wanted nor of the present spec comes last: it may have been a canary, younger than its twin.
fn rank(task: &Task, version: u64) -> (bool, Timestamp, TaskId) {
    let counts = task.desired < DesiredState::Shutdown || task.spec_version == version;
    (counts, task.created_at, task.id)
}

fn newest_by_seat<'a>(tasks: impl Iterator<Item = &'a Task>, version: u64) -> BTreeMap<Seat, &'a Task> {
    let mut newest: BTreeMap<Seat, &Task> = BTreeMap::new();
    for task in tasks {
        let seat = task.pinned.map_or(Seat::Slot(task.slot.get()), Seat::Node);
        let known = newest.entry(seat).or_insert(task);
        if rank(task, version) > rank(known, version) {
            *known = task;
        }
    }
    newest
}

/// What is wrong with a seat: as long as its task does not run, why the last one did not. A task that ended is replaced
/// at once, so that its reason would hardly ever be seen as that of the newest.
fn fault(task: &Task, last: Option<&Task>) -> Option<String> {
    let last = last?;
    let words = last.status.err.replace('\n', " ");
    match (last.id == task.id, task.status.state) {
        (true, _) => Some(words),
        (false, TaskState::Running | TaskState::Complete) => None,
        (false, state) => Some(format!("{} (before: {words})", state.word().to_lowercase())),
    }
}

fn line(label: &str, seat: Option<&(Task, Option<String>)>, bars: bool) -> String {
    let Some((task, fault)) = seat else {
        return format!("{label}: ");
    };
    let state = task.status.state.word().to_lowercase();
    match (fault, bars) {
        (Some(words), _) => format!("{label}: {words}"),
        (None, false) => format!("{label}: {state}"),
        (None, true) => format!("{label}: {state:LONGEST_STATE$} {}", bar(task.status.state)),
    }
}

/// As long as the way that the task has come.
fn bar(state: TaskState) -> String {
    let steps = [
        TaskState::New,
        TaskState::Pending,
        TaskState::Assigned,
        TaskState::Accepted,
        TaskState::Preparing,
        TaskState::Ready,
        TaskState::Starting,
        TaskState::Running,
    ];
    let come = steps.iter().filter(|step| **step <= state).count();
    let full = come * BAR / steps.len();
    format!("[{}>{}] ", "=".repeat(full), " ".repeat(BAR - full))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::{service, task};

    fn running(bits: u128, slot: u32) -> Task {
        task(bits, slot, 0, TaskState::Running, DesiredState::Running)
    }

    #[test]
    fn a_service_is_done_when_each_slot_runs_the_current_spec() {
        let mut tasks = vec![running(1, 1), running(2, 2)];
        assert!(!Progress::of(&service(), &tasks).is_done());
        tasks.push(running(3, 3));
        assert!(Progress::of(&service(), &tasks).is_done());
        tasks[2].spec_version = 0;
        assert!(!Progress::of(&service(), &tasks).is_done());
    }

    #[test]
    fn surplus_tasks_are_waited_for_and_history_is_not() {
        let mut tasks: Vec<_> = (1..=4).map(|n| running(u128::from(n), n)).collect();
        assert!(!Progress::of(&service(), &tasks).is_done());
        tasks[3].desired = DesiredState::Shutdown;
        assert!(Progress::of(&service(), &tasks).is_done());
    }

    #[test]
    fn lines_tell_the_sum_and_what_is_wrong_with_a_slot() {
        let mut failed = task(9, 2, 1, TaskState::Rejected, DesiredState::Shutdown);
        failed.status.err = "No such image: web:1".into();
        let tasks = vec![running(1, 1), running(2, 2), failed];
        assert_eq!(
            Progress::of(&service(), &tasks).lines(false),
            [
                "overall progress: 1 out of 3 tasks",
                "1/3: running",
                "2/3: No such image: web:1",
                "3/3: "
            ]
        );
    }

    #[test]
    fn why_the_last_task_failed_is_told_until_the_next_one_runs() {
        let mut failed = task(1, 1, 0, TaskState::Rejected, DesiredState::Shutdown);
        failed.status.err = "No such image: web:1".into();
        let next = task(2, 1, 1, TaskState::Preparing, DesiredState::Running);
        let line = |tasks: &[Task]| Progress::of(&service(), tasks).lines(false).remove(1);
        assert_eq!(
            line(&[failed.clone(), next.clone()]),
            "1/3: preparing (before: No such image: web:1)"
        );
        let mut runs = next;
        runs.status.state = TaskState::Running;
        assert_eq!(line(&[failed, runs]), "1/3: running");
    }

    #[test]
    fn canaries_are_counted_apart_and_the_others_only_while_they_are_not_as_wanted() {
        let mut service = service();
        let spec = service.spec.clone();
        service.previous = Some(Box::new(model::PreviousSpec { spec, spec_version: 1 }));
        service.spec_version = 2;
        service.canary = model::Canary::new(model::Ratio::new(400_000).unwrap(), 2).ok();
        let new = |bits: u128, slot, state| Task {
            spec_version: 2,
            ..task(bits, slot, 1, state, DesiredState::Running)
        };
        let mut tasks: Vec<_> = (1..=3).map(|n| running(u128::from(n), n)).collect();
        tasks.extend([new(4, 1, TaskState::Running), new(5, 3, TaskState::Preparing)]);
        let progress = Progress::of(&service, &tasks);
        assert!(!progress.is_done());
        assert_eq!(
            progress.lines(false),
            [
                "canary progress: 1 out of 2 tasks",
                "1/3: running",
                "3/3: preparing",
                "overall progress: 3 out of 3 tasks"
            ]
        );
        tasks[4].status.state = TaskState::Running;
        assert!(Progress::of(&service, &tasks).is_done());
        tasks.remove(0);
        let lines = Progress::of(&service, &tasks).lines(false);
        assert_eq!(
            lines[3..],
            [
                "overall progress: 2 out of 3 tasks",
                "1/3: ",
                "2/3: running",
                "3/3: running"
            ]
        );
    }

    #[test]
    fn what_an_aborted_canary_leaves_is_history() {
        let mut tasks: Vec<_> = (1..=3).map(|n| running(u128::from(n), n)).collect();
        let mut canary = task(4, 1, 9, TaskState::Shutdown, DesiredState::Shutdown);
        canary.spec_version = 2;
        tasks.push(canary);
        assert!(Progress::of(&service(), &tasks).is_done());
    }

    #[test]
    fn bars_grow_with_the_state() {
        let tasks = [task(1, 1, 0, TaskState::Ready, DesiredState::Running), running(2, 2)];
        let lines = Progress::of(&service(), &tasks).lines(true);
        assert_eq!(
            lines[1],
            format!("1/3: ready     [{}>{}] ", "=".repeat(37), " ".repeat(13))
        );
        assert_eq!(lines[2], format!("2/3: running   [{}>] ", "=".repeat(50)));
    }

    #[test]
    fn global_services_have_a_line_per_node_and_jobs_count_what_is_complete() {
        let mut global = service();
        global.spec.mode = Mode::Global;
        let on = |bits: u128, state| Task {
            pinned: Some(NodeId::from_bits(bits)),
            ..task(bits, bits as u32, 0, state, DesiredState::Running)
        };
        let tasks = [on(1, TaskState::Running), on(2, TaskState::Preparing)];
        let lines = Progress::of(&global, &tasks).lines(false);
        let node = |bits| NodeId::from_bits(bits).short();
        assert_eq!(
            lines,
            [
                "overall progress: 1 out of 2 tasks".to_owned(),
                format!("{}: running", node(1)),
                format!("{}: preparing", node(2)),
            ]
        );
        let mut job = service();
        job.spec.mode = Mode::ReplicatedJob {
            max_concurrent: 1,
            total_completions: 2,
        };
        let tasks = [task(1, 1, 0, TaskState::Complete, DesiredState::Running)];
        let progress = Progress::of(&job, &tasks);
        assert!(!progress.is_done());
        assert_eq!(progress.lines(false)[0], "job progress: 1 out of 2 complete");
    }
}
