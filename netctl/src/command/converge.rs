//! Waits until a service runs as its spec says, with docker's progress lines.
//!
//! On a terminal the lines are drawn over; elsewhere a line is printed when it changes. Ctrl-C ends the waiting, not
//! the service.

mod job;

use std::time::{Duration, Instant};

use model::{Service, Task, UpdateState};

use crate::{client::Client, failure::Failure, terminal};

use super::{fetch, progress::Progress, screen::Screen};

const POLL: Duration = Duration::from_millis(200);
/// For how long the first task of a global service is waited for.
const TASKS_TO_COME: Duration = Duration::from_secs(5);

/// What the waiting command did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Made or changed the service: that it is rolled back is a failure.
    Forward,
    /// Began a canary, or changed it.
    Canary,
    /// Rolled it back, or aborted its canary.
    Back,
    /// Lets its tasks move: what came of an update before is not its doing.
    Moved,
}

/// Waits for the service with this id.
pub async fn wait(client: &mut Client, id: &str, quiet: bool, change: Change) -> Result<(), Failure> {
    tokio::select! {
        outcome = follow(client, id, quiet, change) => outcome,
        _ = tokio::signal::ctrl_c() => {
            terminal::say(&format!(
                "\nOperation continuing in background.\nUse `netctl service ps {id}` to check progress."
            ));
            Ok(())
        }
    }
}

async fn follow(client: &mut Client, id: &str, quiet: bool, change: Change) -> Result<(), Failure> {
    let mut screen = Screen::new(quiet);
    // Since when it is as wanted, and whether with tasks.
    let mut since: Option<(bool, Instant)> = None;
    loop {
        let service = fetch::service(client, id).await?;
        if let Some(words) = job::due(&service) {
            screen.draw(&[words]);
            return Ok(());
        }
        let tasks = fetch::tasks_of_service(client, id).await?;
        let progress = Progress::of(&service, &tasks);
        let mut lines = progress.lines(screen.redraws());
        lines.extend(told_of_rollback(&service, change));
        if let Some(failure) = given_up(&service, &tasks, change).or_else(|| job::failed(&service)) {
            screen.draw(&lines);
            return Err(failure);
        }
        let begun = !progress.has_not_begun();
        if (begun && !progress.is_done()) || is_under_way(&service, change) {
            since = None;
        } else {
            let (_, settled) = *since.insert(settled_since(since, begun));
            let left = stable_for(&service, begun).saturating_sub(settled.elapsed());
            if left.is_zero() {
                lines.extend(unmet(&service, begun));
                lines.push(format!("verify: Service {id} converged"));
                lines.extend(ways_on(&service, change));
                screen.draw(&lines);
                return rolled_back(&service, change);
            }
            lines.extend(begun.then(|| countdown(left)));
        }
        screen.draw(&lines);
        tokio::time::sleep(POLL).await;
    }
}

/// The time counts anew when the first tasks come.
fn settled_since(since: Option<(bool, Instant)>, begun: bool) -> (bool, Instant) {
    since
        .filter(|(with_tasks, _)| *with_tasks == begun)
        .unwrap_or_else(|| (begun, Instant::now()))
}

fn countdown(left: Duration) -> String {
    let seconds = left.as_secs_f64().ceil() as u64;
    format!("verify: Waiting {seconds} seconds to verify that tasks are stable...")
}

/// Whether more is to come although all tasks are as wanted at present.
fn is_under_way(service: &Service, change: Change) -> bool {
    let status = service.update_status.as_ref();
    match change {
        Change::Moved => service.rebalance.is_some(),
        _ => status.is_some_and(|status| status.state.is_under_way() && status.state != UpdateState::Canary),
    }
}

/// How long all tasks must stay up before the service counts as converged: the monitor period. Jobs are done when they
/// are. As long as a global one has no task, one may be about to come.
fn stable_for(service: &Service, begun: bool) -> Duration {
    let monitor = service.spec.update.unwrap_or_default().monitor;
    match service.spec.mode.is_job() {
        _ if !begun => monitor.max(TASKS_TO_COME),
        true => Duration::ZERO,
        false => monitor,
    }
}

/// What to know of a global service that has no task.
fn unmet(service: &Service, begun: bool) -> Option<String> {
    let name = &service.spec.name;
    (!begun).then(|| format!("no node is to have a task of {name}: no active one meets its constraints, for one"))
}

/// What can be done about a canary that runs.
fn ways_on(service: &Service, change: Change) -> Option<String> {
    let canary = service.canary.filter(|_| change == Change::Canary)?;
    let (share, name) = (canary.share, &service.spec.name);
    Some(format!(
        "canary: {share} of the new connections go to the new version. Go on with \"netctl service update --promote {name}\", \
         or go back with \"netctl service update --abort {name}\"."
    ))
}

fn told_of_rollback(service: &Service, change: Change) -> Option<String> {
    let status = service
        .update_status
        .as_ref()
        .filter(|status| status.state.is_rollback() && change != Change::Moved)?;
    Some(format!("rollback: {}", status.message))
}

/// An update or rollback that goes no further by itself. Tasks can move all the same, unless some are left that it has
/// not come to.
fn given_up(service: &Service, tasks: &[Task], change: Change) -> Option<Failure> {
    let status = service.update_status.as_ref()?;
    let is_outdated = |task: &Task| task.is_live() && task.spec_version != service.spec_version;
    if change == Change::Moved && !tasks.iter().any(is_outdated) {
        return None;
    }
    let what = match status.state {
        UpdateState::Paused => "service update paused",
        UpdateState::RollbackPaused => "service rollback paused",
        _ => return None,
    };
    Some(Failure::Wrong(format!("{what}: {}", status.message)))
}

fn rolled_back(service: &Service, change: Change) -> Result<(), Failure> {
    match &service.update_status {
        Some(status)
            if status.state == UpdateState::RollbackCompleted && matches!(change, Change::Forward | Change::Canary) =>
        {
            Err(Failure::Wrong(format!("service rolled back: {}", status.message)))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use model::{Canary, DesiredState, TaskState, Timestamp, UpdateStatus};

    use super::*;
    use crate::render::sample;

    fn with(state: UpdateState) -> Service {
        let status = UpdateStatus {
            state,
            started_at: Timestamp(0),
            completed_at: None,
            message: "update paused due to failure".into(),
        };
        Service {
            update_status: Some(status),
            ..sample::service()
        }
    }

    #[test]
    fn a_canary_that_runs_says_how_to_go_on() {
        let mut service = with(UpdateState::Canary);
        assert_eq!(ways_on(&service, Change::Canary), None);
        service.canary = Canary::new(model::Ratio::new(100_000).unwrap(), 1).ok();
        let words = ways_on(&service, Change::Canary).unwrap();
        assert!(words.contains("10% of the new") && words.contains("--promote web") && words.contains("--abort web"));
        assert_eq!(ways_on(&service, Change::Forward), None);
        assert!(given_up(&service, &[], Change::Canary).is_none() && rolled_back(&service, Change::Canary).is_ok());
        assert!(rolled_back(&with(UpdateState::RollbackCompleted), Change::Canary).is_err());
    }

    #[test]
    fn an_update_that_pauses_or_is_rolled_back_is_a_failure() {
        let given_up = |state| given_up(&with(state), &[], Change::Forward);
        assert!(given_up(UpdateState::Updating).is_none());
        let paused = given_up(UpdateState::Paused).unwrap().to_string();
        assert_eq!(paused, "service update paused: update paused due to failure");
        let back = with(UpdateState::RollbackCompleted);
        assert!(rolled_back(&back, Change::Forward).is_err() && rolled_back(&back, Change::Back).is_ok());
        assert!(rolled_back(&with(UpdateState::Completed), Change::Forward).is_ok());
        assert_eq!(
            told_of_rollback(&back, Change::Forward).unwrap(),
            "rollback: update paused due to failure"
        );
    }

    #[test]
    fn a_global_service_that_no_node_is_to_have_is_waited_for_and_said_so() {
        let mut service = sample::service();
        service.spec.mode = model::Mode::Global;
        assert_eq!(unmet(&service, true), None);
        assert!(
            unmet(&service, false)
                .unwrap()
                .contains("no node is to have a task of web")
        );
        assert!(stable_for(&service, false) >= TASKS_TO_COME);
        service.spec.mode = model::Mode::GlobalJob;
        assert_eq!(stable_for(&service, true), Duration::ZERO);
        assert!(stable_for(&service, false) >= TASKS_TO_COME);
    }

    #[test]
    fn tasks_move_whatever_came_of_an_update_before() {
        let back = with(UpdateState::RollbackCompleted);
        assert!(rolled_back(&back, Change::Moved).is_ok() && told_of_rollback(&back, Change::Moved).is_none());
        let paused = with(UpdateState::Paused);
        let running = |version| Task {
            spec_version: version,
            ..sample::task(1, 1, 0, TaskState::Running, DesiredState::Running)
        };
        assert!(given_up(&paused, &[running(1)], Change::Moved).is_none());
        assert!(
            given_up(&paused, &[running(0)], Change::Moved).is_some(),
            "it is held up"
        );
        let mut moving = with(UpdateState::Completed);
        assert!(!is_under_way(&moving, Change::Moved));
        moving.rebalance = Some(model::Rebalance {
            budget: 1,
            left: 1,
            extra: 0,
        });
        assert!(is_under_way(&moving, Change::Moved) && !is_under_way(&moving, Change::Forward));
        assert!(is_under_way(&with(UpdateState::Updating), Change::Forward));
    }
}
