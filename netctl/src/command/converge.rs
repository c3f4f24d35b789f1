//! Waits until a service runs as its spec says, with docker's progress lines.
//!
//! On a terminal the lines are drawn over; elsewhere a line is printed when it changes. Ctrl-C ends the waiting, not
//! the service.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use model::{Service, Task, TaskState};

use crate::{client::Client, failure::Failure, terminal};

use super::{fetch, screen::Screen};

const POLL: Duration = Duration::from_millis(200);
/// How long all tasks must stay up before the service counts as converged: docker's default monitor period.
const STABLE: Duration = Duration::from_secs(5);
/// Slots that are shown one by one; of more only the sum is.
const SHOWN_SLOTS: u32 = 20;

/// Waits for the service with this id.
pub async fn wait(client: &mut Client, id: &str, quiet: bool) -> Result<(), Failure> {
    tokio::select! {
        outcome = follow(client, id, quiet) => outcome,
        _ = tokio::signal::ctrl_c() => {
            terminal::say(&format!(
                "\nOperation continuing in background.\nUse `netctl service ps {id}` to check progress."
            ));
            Ok(())
        }
    }
}

async fn follow(client: &mut Client, id: &str, quiet: bool) -> Result<(), Failure> {
    let mut screen = Screen::new(quiet);
    let mut since: Option<Instant> = None;
    loop {
        let service = fetch::service(client, id).await?;
        let tasks = fetch::tasks_of_service(client, id).await?;
        let progress = Progress::of(&service, &tasks);
        let mut lines = progress.lines();
        if !progress.is_done() {
            since = None;
            screen.draw(&lines);
            tokio::time::sleep(POLL).await;
            continue;
        }
        let left = STABLE.saturating_sub(since.get_or_insert_with(Instant::now).elapsed());
        if left.is_zero() {
            lines.push(format!("verify: Service {id} converged"));
            screen.draw(&lines);
            return Ok(());
        }
        let seconds = left.as_secs_f64().ceil() as u64;
        lines.push(format!(
            "verify: Waiting {seconds} seconds to verify that tasks are stable..."
        ));
        screen.draw(&lines);
        tokio::time::sleep(POLL).await;
    }
}

/// How far a service is.
struct Progress {
    wanted: u32,
    running: u32,
    /// The newest task of each slot and whether it is of the current spec; no line for slots beyond the wanted.
    slots: BTreeMap<u32, String>,
    surplus: usize,
}

impl Progress {
    fn of(service: &Service, tasks: &[Task]) -> Self {
        let replicas = service.spec.replicas().unwrap_or_default();
        let newest = newest_by_slot(tasks.iter());
        let faults = newest_by_slot(tasks.iter().filter(|task| !task.status.err.is_empty()));
        let up = |task: &&Task| task.is_live() && task.status.state == TaskState::Running;
        let current = |task: &&Task| task.spec_version == service.spec_version;
        let live = tasks.iter().filter(|task| task.is_live());
        let running = newest.values().filter(|task| up(task) && current(task)).count() as u32;
        Self {
            wanted: replicas,
            running: running.min(replicas),
            slots: newest
                .into_iter()
                .map(|(slot, task)| (slot, state_of(task, faults.get(&slot).copied())))
                .collect(),
            surplus: live.count().saturating_sub(replicas as usize),
        }
    }

    fn is_done(&self) -> bool {
        self.running == self.wanted && self.surplus == 0
    }

    fn lines(&self) -> Vec<String> {
        let (running, wanted) = (self.running, self.wanted);
        let mut lines = vec![format!("overall progress: {running} out of {wanted} tasks")];
        if wanted <= SHOWN_SLOTS {
            let state = |n: u32| self.slots.get(&n).map_or("", String::as_str);
            lines.extend((1..=wanted).map(|n| format!("{n}/{wanted}: {}", state(n))));
        }
        lines
    }
}

fn newest_by_slot<'a>(tasks: impl Iterator<Item = &'a Task>) -> BTreeMap<u32, &'a Task> {
    let mut newest: BTreeMap<u32, &Task> = BTreeMap::new();
    for task in tasks {
        let slot = newest.entry(task.slot.get()).or_insert(task);
        if (task.created_at, task.id) > (slot.created_at, slot.id) {
            *slot = task;
        }
    }
    newest
}

/// State of a slot's task; as long as it does not run, with why the last one did not. A task that ended is replaced at
/// once, so that its reason would hardly ever be seen as that of the newest.
fn state_of(task: &Task, fault: Option<&Task>) -> String {
    let state = task.status.state.word().to_lowercase();
    match fault {
        Some(fault) if fault.id == task.id => fault.status.err.replace('\n', " "),
        Some(fault) if task.status.state != TaskState::Running => {
            format!("{state} (before: {})", fault.status.err.replace('\n', " "))
        }
        _ => state,
    }
}

#[cfg(test)]
mod tests {
    use model::DesiredState;

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
            Progress::of(&service(), &tasks).lines(),
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
        let line = |tasks: &[Task]| Progress::of(&service(), tasks).lines().remove(1);
        assert_eq!(
            line(&[failed.clone(), next.clone()]),
            "1/3: preparing (before: No such image: web:1)"
        );
        let mut runs = next;
        runs.status.state = TaskState::Running;
        assert_eq!(line(&[failed, runs]), "1/3: running");
    }
}
