//! Whole updates over a small cluster whose agents obey when they are let.

use std::time::Duration;

use model::{
    FailureAction, Mode, Ratio, RestartCondition, RestartPolicy, ServiceId, ServiceSpec, Task, TaskState, Timestamp,
    UpdateOrder, UpdatePolicy, UpdateState,
};

use crate::{
    Moment, next_deadline,
    testbed::{Bed, SECOND, running, tasks, web},
};

/// A running service of image 1 with this update policy, and the update to image 2 begun.
fn updating(replicas: u32, policy: impl Fn(&mut UpdatePolicy) + Copy) -> (Bed, ServiceId) {
    let (mut bed, web) = web(3, replicas, |spec| {
        let mut changed = UpdatePolicy::default();
        policy(&mut changed);
        spec.update = Some(changed);
    });
    to_image(&mut bed, web, 2);
    (bed, web)
}

fn to_image(bed: &mut Bed, web: ServiceId, image: u32) {
    bed.update(web, |spec| spec.container.image = format!("image:{image}"));
    bed.settle();
}

fn later(bed: &mut Bed, seconds: i64) {
    bed.now = Timestamp(bed.now.0 + seconds * SECOND);
    bed.settle();
}

/// Lets agents and passes work without letting time pass.
fn work(bed: &mut Bed) {
    for _ in 0..20 {
        bed.agents();
        bed.settle();
    }
}

/// State and words of the latest update; a task's id is left out.
fn status(bed: &Bed, web: ServiceId) -> (UpdateState, String) {
    let status = bed.view().service(web).unwrap().update_status.clone().unwrap();
    let words = status.message.split_inclusive(' ').filter(|word| word.len() < 20);
    (status.state, words.collect::<String>().trim_end().to_owned())
}

/// Live tasks made from a spec version, and those of them that run.
fn of(bed: &Bed, web: ServiceId, version: u64) -> (usize, usize) {
    let live = tasks(bed, web, |t| t.is_live() && t.spec_version == version);
    let run = live.iter().filter(|t| t.status.state == TaskState::Running).count();
    (live.len(), run)
}

/// The live task of a spec version in a slot fails.
fn fail(bed: &mut Bed, web: ServiceId, version: u64, slot: u32) {
    let live = tasks(bed, web, |t| {
        t.is_live() && t.spec_version == version && t.slot.get() == slot
    });
    bed.report(live[0].id, TaskState::Failed);
    bed.settle();
}

#[test]
fn an_update_is_complete_when_its_last_task_has_run_for_the_monitor_time() {
    let (mut bed, web) = updating(3, |_| ());
    assert_eq!(
        status(&bed, web),
        (UpdateState::Updating, "update in progress".to_owned())
    );
    work(&mut bed);
    assert_eq!(of(&bed, web, 2), (3, 3));
    assert_eq!(status(&bed, web).0, UpdateState::Updating);
    let due = next_deadline(bed.view(), Moment::settled(bed.now)).unwrap();
    assert_eq!(due.since(bed.now), Duration::from_secs(5));
    later(&mut bed, 5);
    assert_eq!(
        status(&bed, web),
        (UpdateState::Completed, "update completed".to_owned())
    );
    let done = bed.view().service(web).unwrap().update_status.clone().unwrap();
    assert_eq!(done.completed_at, Some(bed.now));
    assert_eq!(next_deadline(bed.view(), Moment::settled(bed.now)), None);
}

#[test]
fn neither_delay_nor_monitor_time_becomes_an_hour_when_the_clock_is_set_back_by_one() {
    let (mut bed, web) = updating(2, |policy| policy.delay = Duration::from_secs(10));
    for done in 1..=2 {
        later(&mut bed, 3600);
        work(&mut bed);
        assert_eq!(of(&bed, web, 2), (done, done));
        bed.now = Timestamp(bed.now.0 - 3_600_000_000_000);
        bed.settle();
    }
    assert_eq!(status(&bed, web).0, UpdateState::Completed);
}

#[test]
fn what_fails_before_the_time_at_which_its_update_began_counts() {
    let (mut bed, web) = updating(2, |_| ());
    bed.now = Timestamp(bed.now.0 - 3_600_000_000_000);
    work(&mut bed);
    fail(&mut bed, web, 2, 1);
    assert_eq!(
        status(&bed, web).0,
        UpdateState::Paused,
        "it failed by a clock that is right again"
    );
}

#[test]
fn what_needs_no_new_tasks_is_no_update_to_be_waited_for() {
    let (mut bed, web) = web(1, 2, |_| ());
    bed.update(web, |spec| spec.mode = Mode::Replicated { replicas: 3 });
    bed.converge();
    assert_eq!(bed.view().service(web).unwrap().update_status, None);
}

#[test]
fn parallelism_says_how_many_slots_are_under_way_and_0_is_all_of_them() {
    for (parallelism, under_way) in [(1, 1), (2, 2), (0, 5), (9, 5)] {
        let (mut bed, web) = updating(5, |policy| policy.parallelism = parallelism);
        assert_eq!(of(&bed, web, 2), (under_way, 0));
        work(&mut bed);
        assert_eq!(of(&bed, web, 2), (5, 5), "parallelism {parallelism}");
    }
}

#[test]
fn a_slot_waits_for_the_delay_after_the_one_before() {
    let (mut bed, web) = updating(3, |policy| policy.delay = Duration::from_secs(10));
    work(&mut bed);
    for done in 1..=2 {
        assert_eq!(of(&bed, web, 2), (done, done));
        let due = next_deadline(bed.view(), Moment::settled(bed.now)).unwrap();
        assert_eq!(due.since(bed.now), Duration::from_secs(10));
        later(&mut bed, 9);
        assert_eq!(of(&bed, web, 2).0, done);
        later(&mut bed, 1);
        work(&mut bed);
    }
    assert_eq!(of(&bed, web, 2), (3, 3));
}

#[test]
fn start_first_lets_the_old_task_go_when_the_new_one_runs() {
    let (mut bed, web) = updating(2, |policy| policy.order = UpdateOrder::StartFirst);
    for step in 0..2 {
        assert_eq!((of(&bed, web, 1).1, of(&bed, web, 2)), (2 - step, (step + 1, step)));
        assert_eq!(bed.settle(), 0, "both stay until the new one runs");
        let new = tasks(&bed, web, |t| t.is_live() && t.spec_version == 2);
        let starting = new.iter().find(|t| t.status.state != TaskState::Running).unwrap();
        bed.report(starting.id, TaskState::Running);
        bed.settle();
        assert_eq!(running(&bed, web).len(), 2);
    }
    later(&mut bed, 5);
    assert_eq!((of(&bed, web, 1).0, status(&bed, web).0), (0, UpdateState::Completed));
}

#[test]
fn start_first_keeps_the_old_task_while_new_ones_fail() {
    let (mut bed, web) = updating(1, |policy| {
        policy.order = UpdateOrder::StartFirst;
        policy.failure_action = FailureAction::Continue;
    });
    for _ in 0..3 {
        bed.settle();
        assert_eq!((of(&bed, web, 1), of(&bed, web, 2).0), ((1, 1), 1));
        fail(&mut bed, web, 2, 1);
        assert_eq!(bed.settle(), 0);
        later(&mut bed, 5);
    }
    work(&mut bed);
    assert_eq!((of(&bed, web, 1).0, of(&bed, web, 2)), (0, (1, 1)));
    later(&mut bed, 5);
    assert_eq!(status(&bed, web).0, UpdateState::Completed);
}

#[test]
fn a_failure_pauses_the_update_until_the_spec_changes() {
    let (mut bed, web) = updating(3, |_| ());
    fail(&mut bed, web, 2, 1);
    let paused = "update paused due to failure or early termination of task".to_owned();
    assert_eq!(status(&bed, web), (UpdateState::Paused, paused));
    later(&mut bed, 60);
    work(&mut bed);
    assert_eq!(
        (of(&bed, web, 1), of(&bed, web, 2)),
        ((2, 2), (1, 1)),
        "the slot is refilled by the new spec"
    );
    bed.update(web, |spec| {
        spec.update = Some(UpdatePolicy {
            parallelism: 2,
            ..UpdatePolicy::default()
        })
    });
    bed.settle();
    assert_eq!(
        status(&bed, web).0,
        UpdateState::Updating,
        "what had failed before does not count"
    );
    work(&mut bed);
    later(&mut bed, 5);
    assert_eq!(
        (of(&bed, web, 2), status(&bed, web).0),
        ((3, 3), UpdateState::Completed)
    );
}

#[test]
fn failures_count_within_the_monitor_time_only() {
    let (mut bed, web) = updating(2, |policy| policy.delay = Duration::from_secs(60));
    bed.agents();
    bed.settle();
    bed.agents();
    later(&mut bed, 6);
    fail(&mut bed, web, 2, 1);
    assert_eq!(status(&bed, web).0, UpdateState::Updating);
}

#[test]
fn a_share_of_failures_is_put_up_with() {
    let ratio = Ratio::new(340_000).unwrap();
    let (mut bed, web) = updating(3, |policy| policy.max_failure_ratio = ratio);
    for again in ["one of three", "the same slot again"] {
        fail(&mut bed, web, 2, 1);
        assert_eq!(status(&bed, web).0, UpdateState::Updating, "{again}");
        later(&mut bed, 5);
    }
    fail(&mut bed, web, 2, 2);
    assert_eq!(status(&bed, web).0, UpdateState::Paused, "two of three");
}

#[test]
fn a_failed_update_rolls_back_and_what_was_not_touched_stays() {
    let (mut bed, web) = updating(3, |policy| policy.failure_action = FailureAction::Rollback);
    let old: Vec<_> = tasks(&bed, web, |t| t.is_live() && t.spec_version == 1)
        .iter()
        .map(|t| t.id)
        .collect();
    fail(&mut bed, web, 2, 1);
    let words = "update rolled back due to failure or early termination of task".to_owned();
    assert_eq!(status(&bed, web), (UpdateState::RollbackStarted, words));
    work(&mut bed);
    later(&mut bed, 5);
    work(&mut bed);
    later(&mut bed, 5);
    assert_eq!(
        status(&bed, web),
        (UpdateState::RollbackCompleted, "rollback completed".to_owned())
    );
    assert_eq!((of(&bed, web, 1), of(&bed, web, 2)), ((3, 3), (0, 0)));
    let kept = tasks(&bed, web, |t| t.is_live() && old.contains(&t.id));
    assert_eq!(kept.len(), 2);
    let service = bed.view().service(web).unwrap();
    assert_eq!(
        (service.spec.container.image.as_str(), &service.previous),
        ("image", &None)
    );
    let refused = bed.roll_back(web).unwrap_err();
    assert_eq!(refused.to_string(), "service web does not have a previous spec");
    to_image(&mut bed, web, 3);
    assert_eq!(
        bed.view().service(web).unwrap().spec_version,
        3,
        "2 is taken by what failed"
    );
}

#[test]
fn a_rollback_that_fails_pauses() {
    let (mut bed, web) = updating(2, |_| ());
    work(&mut bed);
    bed.roll_back(web).unwrap();
    bed.settle();
    fail(&mut bed, web, 1, 1);
    let words = "rollback paused due to failure or early termination of task".to_owned();
    assert_eq!(status(&bed, web), (UpdateState::RollbackPaused, words));
}

#[test]
fn a_second_rollback_goes_forward_again() {
    let (mut bed, web) = updating(2, |_| ());
    work(&mut bed);
    for (image, version) in [("image", 1), ("image:2", 2), ("image", 1)] {
        later(&mut bed, 5);
        bed.roll_back(web).unwrap();
        bed.settle();
        let words = "manually requested rollback".to_owned();
        assert_eq!(status(&bed, web), (UpdateState::RollbackStarted, words));
        assert_eq!(of(&bed, web, version).0, 1, "one slot at a time");
        work(&mut bed);
        let service = bed.view().service(web).unwrap();
        assert_eq!(
            (service.spec.container.image.as_str(), service.spec_version),
            (image, version)
        );
        assert_eq!(of(&bed, web, version), (2, 2));
    }
}

#[test]
fn a_new_spec_supersedes_an_update_and_what_does_not_run_goes_at_once() {
    let (mut bed, web) = updating(4, |policy| policy.parallelism = 2);
    assert_eq!(of(&bed, web, 2), (2, 0));
    to_image(&mut bed, web, 3);
    assert_eq!(
        (of(&bed, web, 1), of(&bed, web, 2), of(&bed, web, 3)),
        ((2, 2), (0, 0), (2, 0))
    );
    work(&mut bed);
    assert_eq!(of(&bed, web, 3), (4, 4));
    assert_eq!(
        bed.view().service(web).unwrap().previous.as_ref().unwrap().spec_version,
        2
    );
}

#[test]
fn a_rollback_of_a_start_first_update_takes_back_what_has_not_started() {
    let (mut bed, web) = updating(2, |policy| policy.order = UpdateOrder::StartFirst);
    assert_eq!((of(&bed, web, 1), of(&bed, web, 2)), ((2, 2), (1, 0)));
    bed.roll_back(web).unwrap();
    bed.settle();
    assert_eq!((of(&bed, web, 1), of(&bed, web, 2)), ((2, 2), (0, 0)));
    work(&mut bed);
    later(&mut bed, 6);
    work(&mut bed);
    assert_eq!(status(&bed, web).0, UpdateState::RollbackCompleted);
}

#[test]
fn force_replaces_all_tasks_by_equal_ones() {
    let (mut bed, web) = web(2, 2, |_| ());
    bed.update(web, |spec| spec.force_update += 1);
    bed.settle();
    assert_eq!(of(&bed, web, 2), (1, 0));
    work(&mut bed);
    assert_eq!(of(&bed, web, 2), (2, 2));
}

#[test]
fn slots_that_are_not_to_be_filled_again_hold_no_update_up() {
    let never = |spec: &mut ServiceSpec| {
        spec.restart = Some(RestartPolicy {
            condition: RestartCondition::None,
            ..RestartPolicy::default()
        });
        spec.update = Some(UpdatePolicy {
            order: UpdateOrder::StartFirst,
            failure_action: FailureAction::Continue,
            ..UpdatePolicy::default()
        });
    };
    let (mut bed, web) = web(1, 1, never);
    to_image(&mut bed, web, 2);
    fail(&mut bed, web, 2, 1);
    later(&mut bed, 5);
    assert_eq!(status(&bed, web).0, UpdateState::Completed);
    assert_eq!(of(&bed, web, 1), (1, 1), "the old one serves on");
    let all = tasks(&bed, web, Task::is_live);
    assert_eq!(
        (all.len(), next_deadline(bed.view(), Moment::settled(bed.now))),
        (1, None)
    );
}
