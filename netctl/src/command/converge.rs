//! Waits until a service runs as its spec says, with docker's progress lines.
//!
//! On a terminal the lines are drawn over; elsewhere a line is printed when it changes. Ctrl-C ends the waiting, not
//! the service.

use std::time::{Duration, Instant};

use model::{Service, UpdateState};

use crate::{client::Client, failure::Failure, terminal};

use super::{fetch, progress::Progress, screen::Screen};

const POLL: Duration = Duration::from_millis(200);

/// What the waiting command did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Made or changed the service: that it is rolled back is a failure.
    Forward,
    /// Began a canary, or changed it.
    Canary,
    /// Rolled it back, or aborted its canary.
    Back,
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
    let mut since: Option<Instant> = None;
    loop {
        let service = fetch::service(client, id).await?;
        let tasks = fetch::tasks_of_service(client, id).await?;
        let progress = Progress::of(&service, &tasks);
        let mut lines = progress.lines(screen.redraws());
        lines.extend(told_of_rollback(&service));
        let status = service.update_status.as_ref();
        let under_way = status.is_some_and(|status| status.state.is_under_way() && status.state != UpdateState::Canary);
        if let Some(failure) = given_up(&service) {
            screen.draw(&lines);
            return Err(failure);
        }
        if !progress.is_done() || under_way {
            since = None;
            screen.draw(&lines);
            tokio::time::sleep(POLL).await;
            continue;
        }
        let stable = stable_for(&service);
        let left = stable.saturating_sub(since.get_or_insert_with(Instant::now).elapsed());
        if left.is_zero() {
            lines.push(format!("verify: Service {id} converged"));
            lines.extend(ways_on(&service, change));
            screen.draw(&lines);
            return rolled_back(&service, change);
        }
        let seconds = left.as_secs_f64().ceil() as u64;
        lines.push(format!(
            "verify: Waiting {seconds} seconds to verify that tasks are stable..."
        ));
        screen.draw(&lines);
        tokio::time::sleep(POLL).await;
    }
}

/// How long all tasks must stay up before the service counts as converged: the monitor period. Jobs are done when they
/// are.
fn stable_for(service: &Service) -> Duration {
    match service.spec.mode.is_job() {
        true => Duration::ZERO,
        false => service.spec.update.unwrap_or_default().monitor,
    }
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

fn told_of_rollback(service: &Service) -> Option<String> {
    let status = service
        .update_status
        .as_ref()
        .filter(|status| status.state.is_rollback())?;
    Some(format!("rollback: {}", status.message))
}

/// An update or rollback that goes no further by itself.
fn given_up(service: &Service) -> Option<Failure> {
    let status = service.update_status.as_ref()?;
    let what = match status.state {
        UpdateState::Paused => "service update paused",
        UpdateState::RollbackPaused => "service rollback paused",
        _ => return None,
    };
    Some(Failure::Wrong(format!("{what}: {}", status.message)))
}

fn rolled_back(service: &Service, change: Change) -> Result<(), Failure> {
    match &service.update_status {
        Some(status) if status.state == UpdateState::RollbackCompleted && change != Change::Back => {
            Err(Failure::Wrong(format!("service rolled back: {}", status.message)))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use model::{Canary, Timestamp, UpdateStatus};

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
        assert!(given_up(&service).is_none() && rolled_back(&service, Change::Canary).is_ok());
        assert!(rolled_back(&with(UpdateState::RollbackCompleted), Change::Canary).is_err());
    }

    #[test]
    fn an_update_that_pauses_or_is_rolled_back_is_a_failure() {
        assert!(given_up(&with(UpdateState::Updating)).is_none());
        let paused = given_up(&with(UpdateState::Paused)).unwrap().to_string();
        assert_eq!(paused, "service update paused: update paused due to failure");
        let back = with(UpdateState::RollbackCompleted);
        assert!(rolled_back(&back, Change::Forward).is_err() && rolled_back(&back, Change::Back).is_ok());
        assert!(rolled_back(&with(UpdateState::Completed), Change::Forward).is_ok());
        assert_eq!(
            told_of_rollback(&back).unwrap(),
            "rollback: update paused due to failure"
        );
    }
}
