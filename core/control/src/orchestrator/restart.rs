//! What follows when the task of a slot has ended: the restart policy, as Swarm applies it.

use std::time::Duration;

use model::{DesiredState, RestartCondition, RestartPolicy, Setback, Task, TaskState, Timestamp};

use crate::moment::Moment;

/// How long a replacement waits for its predecessor to stop, as Swarm's old-task timeout.
const PREDECESSOR_TIMEOUT: Duration = Duration::from_secs(60);

/// A task that fails before this has hardly begun.
const AT_ONCE: Duration = Duration::from_secs(10);
/// So many failures at once, one after the other, are met with the policy's delay alone; each further one doubles it.
const PATIENCE: usize = 5;
/// What is doubled where the policy has no delay.
const LEAST_BACKOFF: Duration = Duration::from_secs(1);
/// The delay does not grow beyond this.
const MOST_BACKOFF: Duration = Duration::from_secs(5 * 60);

/// What the orchestrator does with an empty slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A new task, to be started as soon as its predecessor has stopped.
    Now,
    /// A new task, prepared now and started then.
    At(Timestamp),
    /// Nothing before then: the last task failed while it was waiting for its own start.
    Wait,
    /// The slot stays as it is.
    Never,
}

/// When a replacement starts although its predecessor has not reported its end. What a clock noted that was ahead is taken
/// as it is, and by one that was behind, as that of an earlier leader may have been, it happened when this leader began, at
/// the earliest: rather wait for longer than have two tasks of a slot run at once.
pub(crate) fn gives_up_waiting(predecessor: &Task, moment: Moment) -> Timestamp {
    predecessor.updated_at.max(moment.led_since) + PREDECESSOR_TIMEOUT
}

/// When a task may start as far as its restart delay goes; `None`: it has none.
pub(crate) fn starts(task: &Task, moment: Moment) -> Option<Timestamp> {
    let start = task.not_before?;
    Some(moment.noted(task.created_at) + start.since(task.created_at))
}

/// The task ended by itself, rather than with its node or its engine, or because it was told to.
pub(crate) fn ended_by_itself(task: &Task) -> bool {
    let ended = matches!(
        task.status.state,
        TaskState::Complete | TaskState::Failed | TaskState::Rejected
    );
    ended && !task.status.engine_restarted
}

/// Decides after `last`, the newest task of a slot with these `tasks`.
pub(crate) fn after(policy: &RestartPolicy, spec_version: u64, tasks: &[&Task], last: &Task, moment: Moment) -> Next {
    if !ended_by_itself(last) || last.spec_version != spec_version {
        return Next::Now;
    }
    let by_condition = match policy.condition {
        RestartCondition::Any => true,
        RestartCondition::OnFailure => last.status.state != TaskState::Complete,
        RestartCondition::None => false,
    };
    if !by_condition || !attempts_left(policy, spec_version, tasks, last) {
        return Next::Never;
    }
    // One that was started had its delay, whatever the clock of this leader says.
    let waits = last.desired == DesiredState::Ready;
    if waits && starts(last, moment).is_some_and(|start| start > moment.now) {
        return Next::Wait;
    }
    let delay = delay(policy, crashes(last));
    if delay.is_zero() {
        Next::Now
    } else {
        Next::At(moment.now + delay)
    }
}

/// The setbacks that a task remembers which comes after `last` and is made from this spec.
pub(crate) fn setbacks_after(last: &Task, spec_version: u64, job_iteration: Option<u64>) -> Vec<Setback> {
    if (last.spec_version, last.job_iteration) != (spec_version, job_iteration) {
        return Vec::new();
    }
    let mut setbacks = last.setbacks.clone();
    setbacks.extend(setback(last));
    let surplus = setbacks.len().saturating_sub(Setback::KEPT);
    setbacks.drain(..surplus);
    setbacks
}

fn setback(task: &Task) -> Option<Setback> {
    let failed = ended_by_itself(task) && task.status.state != TaskState::Complete;
    let node = task.node.filter(|_| failed)?;
    let began = task.not_before.unwrap_or(task.created_at).max(task.created_at);
    Some(Setback {
        node,
        at: task.updated_at,
        at_once: task.updated_at.since(began) < AT_ONCE,
    })
}

/// How often in a row a slot's tasks have failed at once, `last` included.
fn crashes(last: &Task) -> usize {
    let setbacks = setbacks_after(last, last.spec_version, last.job_iteration);
    let last_failed = setback(last).is_some();
    let row = setbacks.iter().rev().take_while(|setback| setback.at_once);
    if last_failed { row.count() } else { 0 }
}

fn delay(policy: &RestartPolicy, crashes: usize) -> Duration {
    let Some(doublings) = crashes.checked_sub(PATIENCE).filter(|n| *n > 0) else {
        return policy.delay;
    };
    let factor = 1u32.checked_shl(doublings as u32).unwrap_or(u32::MAX);
    let grown = policy.delay.max(LEAST_BACKOFF).saturating_mul(factor);
    grown.min(MOST_BACKOFF).max(policy.delay)
}

/// What is said of a task after which the slot waits longer than the policy asks for; `None`: it does not.
pub(crate) fn words_of_backoff(policy: &RestartPolicy, last: &Task) -> Option<String> {
    let crashes = crashes(last);
    let delay = delay(policy, crashes);
    let grown = delay > policy.delay && crashes > PATIENCE;
    grown.then(|| {
        let count = if crashes < Setback::KEPT { "" } else { "at least " };
        let seconds = delay.as_secs();
        format!(
            "{} (crash loop: failed {count}{crashes} times in a row at once, next start in {seconds} s)",
            last.status.err
        )
    })
}

/// Counted from the slot's history, within the window before the managers heard of the end of `last`: a decision that does
/// not change as time goes by, and in which the clocks of two nodes are not compared. The reaper keeps enough of the
/// history.
fn attempts_left(policy: &RestartPolicy, spec_version: u64, tasks: &[&Task], last: &Task) -> bool {
    let in_window = |task: &&&Task| policy.window.is_zero() || last.updated_at.since(task.updated_at) <= policy.window;
    let ended = tasks
        .iter()
        .filter(|task| task.spec_version == spec_version && ended_by_itself(task))
        .filter(in_window);
    policy.max_attempts == 0 || ended.count() <= policy.max_attempts as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::task;

    const SECOND: i64 = 1_000_000_000;

    fn moment(second: i64) -> Moment {
        Moment::settled(Timestamp(second * SECOND))
    }

    fn ended(id: u128, state: TaskState, at: i64) -> Task {
        let mut task = task(id);
        task.status.state = state;
        task.status.at = Timestamp(at * SECOND);
        task.updated_at = task.status.at;
        task
    }

    fn policy(condition: RestartCondition, max_attempts: u32, window: u64) -> RestartPolicy {
        RestartPolicy {
            condition,
            delay: Duration::from_secs(5),
            max_attempts,
            window: Duration::from_secs(window),
        }
    }

    #[test]
    fn the_condition_decides_only_about_tasks_that_ended_by_themselves() {
        use RestartCondition::{Any, None, OnFailure};
        use TaskState::{Complete, Failed, Orphaned, Rejected, Running, Shutdown};
        let now = moment(100);
        let later = Next::At(Timestamp(105 * SECOND));
        for (condition, state, want) in [
            (Any, Complete, later),
            (Any, Failed, later),
            (Any, Rejected, later),
            (OnFailure, Complete, Next::Never),
            (OnFailure, Failed, later),
            (None, Failed, Next::Never),
            (None, Orphaned, Next::Now),
            (None, Shutdown, Next::Now),
            (None, Running, Next::Now),
        ] {
            let last = ended(1, state, 100);
            assert_eq!(
                after(&policy(condition, 0, 0), 1, &[&last], &last, now),
                want,
                "{condition:?} {state}"
            );
        }
    }

    #[test]
    fn attempts_are_counted_within_the_window() {
        let now = moment(100);
        let tasks = [10, 80, 90].map(|at| ended(at as u128, TaskState::Failed, at));
        let tasks: Vec<&Task> = tasks.iter().collect();
        for (max, window, allowed) in [(0, 0, true), (2, 0, false), (3, 0, true), (2, 20, true), (1, 20, false)] {
            let next = after(&policy(RestartCondition::Any, max, window), 1, &tasks, tasks[2], now);
            assert_eq!(next != Next::Never, allowed, "{max} attempts in {window} s");
        }
    }

    #[test]
    fn attempts_are_counted_by_the_clock_of_the_managers() {
        let mut tasks = [80, 90, 100].map(|at| ended(at as u128, TaskState::Failed, at));
        // It ran on a node whose clock is an hour behind.
        tasks[1].status.at = Timestamp((90 - 3600) * SECOND);
        let tasks: Vec<&Task> = tasks.iter().collect();
        let two = policy(RestartCondition::Any, 2, 60);
        assert_eq!(after(&two, 1, &tasks, tasks[2], moment(100)), Next::Never);
    }

    #[test]
    fn a_task_that_fails_while_it_waits_is_not_replaced_before_its_time() {
        let mut last = ended(1, TaskState::Rejected, 100);
        last.not_before = Some(Timestamp(105 * SECOND));
        last.desired = DesiredState::Ready;
        let next = |last: &Task, now| after(&RestartPolicy::default(), 1, &[last], last, moment(now));
        assert_eq!(next(&last, 101), Next::Wait);
        assert_eq!(next(&last, 105), Next::At(Timestamp(110 * SECOND)));
        last.desired = DesiredState::Running;
        let by_another_clock = next(&last, 101);
        assert_eq!(
            by_another_clock,
            Next::At(Timestamp(106 * SECOND)),
            "it was started: nothing would wake the slot"
        );
    }

    #[test]
    fn a_delay_of_a_clock_that_was_ahead_is_counted_from_when_the_leader_began() {
        let mut task = task(1);
        task.created_at = Timestamp(3700 * SECOND);
        task.not_before = Some(Timestamp(3705 * SECOND));
        let moment = |now| Moment {
            now: Timestamp(now * SECOND),
            led_since: Timestamp(99 * SECOND),
        };
        assert_eq!(starts(&task, moment(100)), Some(Timestamp(104 * SECOND)));
        assert_eq!(starts(&task, moment(3701)), task.not_before);
        task.not_before = None;
        assert_eq!(starts(&task, moment(100)), None);
    }

    #[test]
    fn a_predecessor_is_waited_for_as_long_although_the_last_leaders_clock_was_behind() {
        let mut old = task(1);
        old.updated_at = Timestamp(50 * SECOND);
        let of = |led_since| Moment {
            now: Timestamp(3700 * SECOND),
            led_since: Timestamp(led_since * SECOND),
        };
        assert_eq!(gives_up_waiting(&old, of(3699)), Timestamp(3759 * SECOND));
        assert_eq!(gives_up_waiting(&old, of(40)), Timestamp(110 * SECOND));
        old.updated_at = Timestamp(9000 * SECOND);
        assert_eq!(gives_up_waiting(&old, of(3699)), Timestamp(9060 * SECOND));
    }

    /// A task that failed one second after it was made, the last of so many in a row.
    fn crashed(row: usize) -> Task {
        let mut last = ended(1, TaskState::Failed, 101);
        last.node = Some(model::NodeId::from_bits(1));
        (last.created_at, last.updated_at) = (Timestamp(100 * SECOND), Timestamp(101 * SECOND));
        for _ in 1..row {
            let setbacks = setbacks_after(&last, 1, None);
            last.setbacks = setbacks;
        }
        last
    }

    #[test]
    fn what_fails_at_once_again_and_again_is_waited_for_longer_and_longer() {
        let now = moment(101);
        let waits = |policy: &RestartPolicy, row| {
            let last = crashed(row);
            match after(policy, 1, &[&last], &last, now) {
                Next::At(start) => start.since(now.now).as_secs(),
                next => panic!("{next:?}"),
            }
        };
        let five = policy(RestartCondition::Any, 0, 0);
        let delays = [1, 5, 6, 7, 8, 11, 12, 40].map(|row| waits(&five, row));
        assert_eq!(delays, [5, 5, 10, 20, 40, 300, 300, 300]);
        let none = RestartPolicy {
            delay: Duration::ZERO,
            ..five
        };
        let fifth = crashed(5);
        assert_eq!(after(&none, 1, &[&fifth], &fifth, now), Next::Now);
        assert_eq!([6, 7, 40].map(|row| waits(&none, row)), [2, 4, 300]);
        let slow = RestartPolicy {
            delay: Duration::from_secs(900),
            ..five
        };
        assert_eq!(waits(&slow, 40), 900);
    }

    #[test]
    fn a_task_that_has_run_for_a_while_ends_the_row() {
        let five = policy(RestartCondition::Any, 0, 0);
        let mut last = crashed(9);
        assert!(words_of_backoff(&five, &last).is_some_and(|words| words.ends_with("next start in 80 s)")));
        last.updated_at = Timestamp(110 * SECOND);
        assert_eq!(words_of_backoff(&five, &last), None);
        assert_eq!(setbacks_after(&last, 1, None).len(), 9);
        assert_eq!(setbacks_after(&last, 2, None), []);
        assert_eq!(setbacks_after(&crashed(40), 1, None).len(), Setback::KEPT);
    }

    #[test]
    fn a_new_spec_starts_afresh() {
        let last = ended(1, TaskState::Failed, 100);
        let next = after(&policy(RestartCondition::None, 0, 0), 2, &[&last], &last, moment(0));
        assert_eq!(next, Next::Now);
    }

    #[test]
    fn what_a_restarted_engine_killed_is_replaced_at_once_and_costs_no_attempt() {
        let now = moment(100);
        let mut killed = ended(1, TaskState::Failed, 90);
        killed.status.engine_restarted = true;
        for condition in [RestartCondition::Any, RestartCondition::None] {
            assert_eq!(after(&policy(condition, 1, 0), 1, &[&killed], &killed, now), Next::Now);
        }
        let failed = ended(2, TaskState::Failed, 95);
        let next = after(
            &policy(RestartCondition::Any, 1, 0),
            1,
            &[&killed, &failed],
            &failed,
            now,
        );
        assert_eq!(next, Next::At(Timestamp(105 * SECOND)), "only one of both counts");
    }
}
