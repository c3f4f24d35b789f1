//! What a node does for its own tasks while no manager is in reach: it runs what has ended again itself, as the restart
//! policy says. The task stays the same one, and so does its container as long as there is one; managers that come back
//! find it running.
//!
//! Times are by the agent's own clock, since it began: one that somebody sets back would have its tasks wait for hours.

use std::time::Duration;

use model::{RestartCondition, RestartPolicy, TaskState};

use super::{Container, ContainerState, Local, Step};

/// Managers that come back within this decide themselves: a leader is replaced sooner.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// An ended container of a task that should run, as its node knows it.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// The service's policy.
    pub policy: &'a RestartPolicy,
    /// No manager has been in reach since.
    pub cut_off: Duration,
    /// When the end was noticed.
    pub at: Duration,
    /// When the node ran the task again before.
    pub runs: &'a [Duration],
    /// It ended with the engine or the machine, which no policy is about.
    pub excused: bool,
}

/// When it is to be run again; `None`: not by this node, the managers will hear of its end.
pub fn run_again(local: &Local, ended: Ended<'_>) -> Option<Duration> {
    let decided_here = ended.cut_off + PATIENCE;
    if ended.excused {
        return Some(decided_here);
    }
    let policy = ended.policy;
    let well = matches!(
        &local.container,
        Some(Container { state: ContainerState::Exited { code: 0, error }, .. }) if error.is_empty()
    );
    let by_condition = match policy.condition {
        RestartCondition::Any => true,
        RestartCondition::OnFailure => !well,
        RestartCondition::None => false,
    };
    let counts = |run: &&Duration| policy.window.is_zero() || ended.at.saturating_sub(**run) <= policy.window;
    let attempts = ended.runs.iter().filter(counts).count();
    let left = policy.max_attempts == 0 || attempts < policy.max_attempts as usize;
    (by_condition && left).then(|| decided_here.max(ended.at + policy.delay))
}

/// Whether a container of a task that was started has ended or is gone, and nothing is done about it yet.
pub fn has_ended(local: &Local) -> bool {
    let started = (TaskState::Starting..=TaskState::Running).contains(&local.status.state);
    let container = local.container.as_ref().map(|c| &c.state);
    let ended = matches!(container, None | Some(ContainerState::Exited { .. }));
    started && ended && !local.busy && !local.revive
}

/// The step of a task that is being run again and whose container is gone, or only just made again; `None`: its way is
/// that of any other task.
pub fn next_again(local: &Local) -> Option<Step> {
    let started = (TaskState::Starting..=TaskState::Running).contains(&local.status.state);
    if !local.revive || local.busy || !started {
        return None;
    }
    match &local.container {
        None => Some(Step::Prepare),
        Some(Container { id, state }) if *state == ContainerState::Created => {
            Some(Step::Start { container: id.clone() })
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::fixture::task;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn local(container: Option<ContainerState>) -> Local {
        let mut status = task(1).status;
        status.state = TaskState::Running;
        Local {
            status,
            container: container.map(|state| Container {
                id: "c1".to_owned(),
                state,
            }),
            busy: false,
            revive: false,
            answers: Default::default(),
        }
    }

    fn exited(code: i64) -> Local {
        let error = String::new();
        local(Some(ContainerState::Exited { code, error }))
    }

    fn policy(condition: RestartCondition, max_attempts: u32) -> RestartPolicy {
        RestartPolicy {
            condition,
            max_attempts,
            delay: Duration::from_secs(7),
            window: Duration::from_secs(100),
        }
    }

    #[test]
    fn the_policy_decides_once_the_managers_had_their_time() {
        use RestartCondition::{Any, None as Never, OnFailure};
        for (condition, code, excused, want) in [
            (Any, 0, false, Some(at(27))),
            (OnFailure, 1, false, Some(at(27))),
            (OnFailure, 0, false, None),
            (Never, 1, false, None),
            (Never, 1, true, Some(at(24))),
        ] {
            let policy = policy(condition, 0);
            let ended = Ended {
                policy: &policy,
                cut_off: at(19),
                at: at(20),
                runs: &[],
                excused,
            };
            assert_eq!(run_again(&exited(code), ended), want, "{condition:?} {code} {excused}");
        }
    }

    #[test]
    fn attempts_count_within_the_window() {
        let policy = policy(RestartCondition::Any, 2);
        let runs = [at(10), at(150), at(160)];
        let mut ended = Ended {
            policy: &policy,
            cut_off: at(0),
            at: at(170),
            runs: &runs,
            excused: false,
        };
        assert_eq!(run_again(&exited(1), ended), None);
        ended.runs = &runs[..2];
        assert_eq!(run_again(&exited(1), ended), Some(at(177)));
    }

    #[test]
    fn a_container_that_is_gone_is_made_again_and_started() {
        let mut gone = local(None);
        assert!(has_ended(&gone) && next_again(&gone).is_none());
        gone.revive = true;
        assert_eq!(next_again(&gone), Some(Step::Prepare));
        gone.container = local(Some(ContainerState::Created)).container;
        assert!(matches!(next_again(&gone), Some(Step::Start { .. })));
        gone.container = local(Some(ContainerState::Running)).container;
        assert_eq!(next_again(&gone), None);
    }
}
