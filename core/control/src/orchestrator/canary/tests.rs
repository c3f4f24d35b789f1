//! Canaries over a small cluster whose agents obey when they are let.

mod history;

use model::{
    Availability, FailureAction, Mode, NodeState, RestartPolicy, ServiceId, ServiceSpec, Task, TaskState, Timestamp,
    UpdatePolicy, UpdateState,
};

use crate::{
    Moment, next_deadline,
    testbed::{Bed, SECOND, tasks, web},
};

/// A running service of image 1, with a canary of image 2 begun.
fn begun(replicas: u32, share: u32, change: impl Fn(&mut ServiceSpec)) -> (Bed, ServiceId) {
    let (mut bed, web) = web(4, replicas, change);
    to_image(&mut bed, web, share, 2);
    (bed, web)
}

fn to_image(bed: &mut Bed, web: ServiceId, share: u32, image: u32) {
    bed.canary(web, share, |spec| spec.container.image = format!("image:{image}"))
        .unwrap();
    bed.settle();
}

fn acting(action: FailureAction) -> impl Fn(&mut ServiceSpec) {
    move |spec| {
        spec.update = Some(UpdatePolicy {
            failure_action: action,
            ..UpdatePolicy::default()
        });
    }
}

fn state(bed: &Bed, web: ServiceId) -> (UpdateState, String) {
    let status = bed.view().service(web).unwrap().update_status.clone().unwrap();
    (status.state, status.message)
}

/// Slots of the live tasks made from a spec version.
fn of(bed: &Bed, web: ServiceId, version: u64) -> Vec<u32> {
    let live = tasks(bed, web, |t| t.is_live() && t.spec_version == version);
    live.iter().map(|task| task.slot.get()).collect()
}

fn ids(bed: &Bed, web: ServiceId, version: u64) -> Vec<model::TaskId> {
    let live = tasks(bed, web, |t| t.is_live() && t.spec_version == version);
    live.iter().map(|task| task.id).collect()
}

fn fail(bed: &mut Bed, web: ServiceId, version: u64) {
    let task = ids(bed, web, version)[0];
    bed.report(task, TaskState::Failed);
    bed.settle();
}

fn later(bed: &mut Bed, seconds: i64) {
    bed.now = Timestamp(bed.now.0 + seconds * SECOND);
    bed.settle();
}

fn all(replicas: u32) -> Vec<u32> {
    (1..=replicas).collect()
}

#[test]
fn a_share_of_the_slots_get_a_second_task_and_nothing_else_happens() {
    for (share, replicas, canaries) in [(10, 10, 1), (11, 10, 2), (50, 3, 2), (99, 2, 2), (10, 1, 1)] {
        let (mut bed, web) = begun(replicas, share, |_| ());
        let old = ids(&bed, web, 1);
        bed.converge();
        later(&mut bed, 60);
        assert_eq!((of(&bed, web, 1), of(&bed, web, 2)), (all(replicas), all(canaries)));
        assert_eq!(ids(&bed, web, 1), old, "no other task is touched");
        assert_eq!(
            state(&bed, web),
            (UpdateState::Canary, format!("canary of {share}% in progress"))
        );
    }
}

#[test]
fn a_promoted_canary_is_an_update_that_takes_its_tasks_over() {
    for order in ["stop-first", "start-first"] {
        let (mut bed, web) = begun(5, 40, |spec| {
            let policy = spec.update.get_or_insert_default();
            if order == "start-first" {
                policy.order = model::UpdateOrder::StartFirst;
            }
        });
        bed.converge();
        let canaries = ids(&bed, web, 2);
        bed.decide_canary(web, true).unwrap();
        bed.settle();
        assert_eq!(state(&bed, web).0, UpdateState::Updating);
        assert!(
            !of(&bed, web, 1).contains(&1) && !of(&bed, web, 1).contains(&2),
            "their twins go"
        );
        for _ in 0..20 {
            bed.agents();
            bed.settle();
        }
        later(&mut bed, 5);
        assert_eq!((of(&bed, web, 1), of(&bed, web, 2)), (vec![], all(5)), "{order}");
        assert!(
            canaries.iter().all(|id| ids(&bed, web, 2).contains(id)),
            "none of them is made again"
        );
        assert_eq!(state(&bed, web).0, UpdateState::Completed);
    }
}

#[test]
fn a_canary_is_taken_over_although_its_twin_is_younger_or_it_has_not_started() {
    let (mut bed, web) = begun(3, 30, |_| ());
    bed.converge();
    fail(&mut bed, web, 1);
    later(&mut bed, 5);
    bed.converge();
    let canary = ids(&bed, web, 2);
    assert_eq!(of(&bed, web, 1), all(3));
    bed.decide_canary(web, true).unwrap();
    bed.converge();
    later(&mut bed, 5);
    assert!(ids(&bed, web, 2).contains(&canary[0]));
    assert_eq!((of(&bed, web, 1), of(&bed, web, 2)), (vec![], all(3)));

    let (mut bed, web) = begun(3, 30, |_| ());
    let canary = ids(&bed, web, 2);
    bed.decide_canary(web, true).unwrap();
    bed.settle();
    assert_eq!(
        (of(&bed, web, 1), ids(&bed, web, 2)),
        (all(3), canary.clone()),
        "its twin waits for it"
    );
    bed.converge();
    later(&mut bed, 5);
    assert_eq!((of(&bed, web, 1), of(&bed, web, 2)), (vec![], all(3)));
    assert!(ids(&bed, web, 2).contains(&canary[0]));
}

#[test]
fn an_aborted_canary_ends_and_the_others_never_notice() {
    let (mut bed, web) = begun(4, 50, |_| ());
    bed.converge();
    let old = ids(&bed, web, 1);
    later(&mut bed, 1);
    bed.decide_canary(web, false).unwrap();
    assert_eq!(
        state(&bed, web),
        (UpdateState::RollbackStarted, "canary aborted".to_owned())
    );
    bed.converge();
    assert_eq!((ids(&bed, web, 1), of(&bed, web, 2)), (old, vec![]));
    assert_eq!(state(&bed, web).0, UpdateState::RollbackCompleted);
    let service = bed.view().service(web).unwrap();
    assert_eq!(
        (service.spec.container.image.as_str(), service.spec_version),
        ("image", 1)
    );
    fail(&mut bed, web, 1);
    assert_eq!(bed.settle(), 0);
    let waiting = tasks(&bed, web, |task| task.is_live() && task.not_before.is_some());
    assert_eq!(
        waiting.len(),
        1,
        "what fails later waits for its delay, though a canary was there last"
    );
    assert!(bed.decide_canary(web, false).is_err() && bed.decide_canary(web, true).is_err());
    to_image(&mut bed, web, 25, 3);
    assert_eq!(of(&bed, web, 3), [1]);
}

#[test]
fn a_canary_that_fails_pauses_rolls_back_or_is_tried_again() {
    let (mut bed, web) = begun(4, 25, acting(FailureAction::Pause));
    bed.converge();
    fail(&mut bed, web, 2);
    let (paused, words) = state(&bed, web);
    assert_eq!(paused, UpdateState::Paused);
    assert!(
        words.starts_with("canary paused due to failure or early termination of task "),
        "{words}"
    );
    later(&mut bed, 60);
    assert_eq!(
        (of(&bed, web, 1), of(&bed, web, 2)),
        (all(4), vec![]),
        "no other is made"
    );
    bed.canary(web, 50, |_| ()).unwrap();
    later(&mut bed, 5);
    bed.converge();
    assert_eq!(
        (state(&bed, web).0, of(&bed, web, 2)),
        (UpdateState::Canary, vec![1, 2]),
        "until it is asked for"
    );

    let (mut bed, web) = begun(4, 25, acting(FailureAction::Rollback));
    bed.converge();
    later(&mut bed, 1);
    fail(&mut bed, web, 2);
    bed.converge();
    assert_eq!(state(&bed, web).0, UpdateState::RollbackCompleted);
    assert_eq!((of(&bed, web, 1), of(&bed, web, 2)), (all(4), vec![]));
    assert_eq!(bed.view().service(web).unwrap().spec.container.image, "image");

    let (mut bed, web) = begun(4, 25, acting(FailureAction::Continue));
    bed.converge();
    fail(&mut bed, web, 2);
    later(&mut bed, 5);
    bed.converge();
    assert_eq!((state(&bed, web).0, of(&bed, web, 2)), (UpdateState::Canary, vec![1]));
}

#[test]
fn of_a_failed_and_paused_canary_a_promotion_makes_an_update_that_begins_anew() {
    let (mut bed, web) = begun(3, 50, |_| ());
    bed.converge();
    fail(&mut bed, web, 2);
    assert_eq!(state(&bed, web).0, UpdateState::Paused);
    later(&mut bed, 1);
    bed.decide_canary(web, true).unwrap();
    bed.settle();
    assert_eq!(
        state(&bed, web).0,
        UpdateState::Updating,
        "what failed before does not count"
    );
    for _ in 0..10 {
        later(&mut bed, 5);
        bed.converge();
    }
    assert_eq!((of(&bed, web, 1), of(&bed, web, 2)), (vec![], all(3)));
    assert_eq!(state(&bed, web).0, UpdateState::Completed);
}

#[test]
fn promoted_canaries_without_room_beside_their_twins_take_their_places_one_by_one() {
    let (mut bed, web) = begun(4, 75, |spec| {
        spec.ports = vec!["published=9000,target=90,mode=host".parse().unwrap()];
    });
    bed.converge();
    let running = |bed: &Bed| tasks(bed, web, |t| t.is_live() && t.status.state == TaskState::Running).len();
    assert_eq!(
        (of(&bed, web, 2), running(&bed)),
        (vec![1, 2, 3], 4),
        "each node's port is taken"
    );
    bed.decide_canary(web, true).unwrap();
    for _ in 0..40 {
        bed.settle();
        assert!(running(&bed) >= 3, "one at a time");
        bed.agents();
    }
    later(&mut bed, 5);
    assert_eq!((of(&bed, web, 1), of(&bed, web, 2), running(&bed)), (vec![], all(4), 4));
    assert_eq!(state(&bed, web).0, UpdateState::Completed);
}

#[test]
fn nothing_waits_for_what_has_failed_before_its_start_in_an_update_that_is_paused() {
    let (mut bed, web) = begun(3, 30, |_| ());
    bed.converge();
    fail(&mut bed, web, 2);
    later(&mut bed, 1);
    bed.decide_canary(web, true).unwrap();
    bed.settle();
    let waiting = tasks(&bed, web, |task| task.is_live() && task.not_before.is_some());
    assert_eq!(waiting.len(), 1, "the canary is tried again after its delay");
    bed.report(waiting[0].id, TaskState::Rejected);
    bed.converge();
    assert_eq!(state(&bed, web).0, UpdateState::Paused);
    let due = waiting[0].not_before;
    assert_eq!(next_deadline(bed.view(), Moment::settled(bed.now)), due);
    later(&mut bed, 60);
    assert_eq!(next_deadline(bed.view(), Moment::settled(bed.now)), None);
}

#[test]
fn old_tasks_that_end_are_replaced_by_old_ones() {
    let (mut bed, web) = begun(3, 30, |spec| {
        spec.restart = Some(RestartPolicy {
            delay: std::time::Duration::ZERO,
            ..RestartPolicy::default()
        });
    });
    bed.converge();
    for _ in 0..3 {
        fail(&mut bed, web, 1);
        bed.converge();
        assert_eq!((of(&bed, web, 1), of(&bed, web, 2)), (all(3), vec![1]));
        assert_eq!(state(&bed, web).0, UpdateState::Canary);
    }
}

#[test]
fn a_scale_counts_for_both_specs() {
    let (mut bed, web) = begun(4, 50, |_| ());
    bed.converge();
    let scale = |bed: &mut Bed, replicas| {
        bed.update(web, |spec| spec.mode = Mode::Replicated { replicas });
        bed.converge();
        (of(bed, web, 1).len(), of(bed, web, 2).len())
    };
    assert_eq!(scale(&mut bed, 9), (9, 5));
    assert_eq!(scale(&mut bed, 2), (2, 1));
    assert_eq!(scale(&mut bed, 0), (0, 0));
    assert_eq!(scale(&mut bed, 4), (4, 2));
    assert_eq!(state(&bed, web).0, UpdateState::Canary);
    bed.decide_canary(web, false).unwrap();
    bed.converge();
    assert_eq!((of(&bed, web, 1).len(), of(&bed, web, 2).len()), (4, 0));
}

#[test]
fn another_share_makes_or_ends_canaries_and_leaves_the_others() {
    let (mut bed, web) = begun(10, 20, |_| ());
    bed.converge();
    let two = ids(&bed, web, 2);
    let to = |bed: &mut Bed, share| {
        bed.canary(web, share, |_| ()).unwrap();
        bed.converge();
        ids(bed, web, 2)
    };
    let five = to(&mut bed, 50);
    assert!(five.len() == 5 && two.iter().all(|id| five.contains(id)));
    let one = to(&mut bed, 10);
    assert!(one.len() == 1 && two.contains(&one[0]));
    assert_eq!(of(&bed, web, 1), all(10));
}

#[test]
fn a_canary_in_the_place_of_another_replaces_its_tasks_only() {
    let (mut bed, web) = begun(4, 50, |_| ());
    bed.converge();
    let old = ids(&bed, web, 1);
    to_image(&mut bed, web, 50, 3);
    bed.converge();
    assert_eq!((of(&bed, web, 2), of(&bed, web, 3)), (vec![], vec![1, 2]));
    assert_eq!(ids(&bed, web, 1), old);
    bed.update(web, |spec| spec.container.image = "image:4".into());
    for _ in 0..20 {
        bed.agents();
        bed.settle();
    }
    assert_eq!(
        (of(&bed, web, 1), of(&bed, web, 3), of(&bed, web, 4)),
        (vec![], vec![], all(4))
    );
}

#[test]
fn of_a_lost_or_drained_node_both_kinds_move() {
    let (mut bed, web) = begun(4, 50, |_| ());
    bed.converge();
    let node = |bed: &Bed, version| {
        let live = tasks(bed, web, |t| t.is_live() && t.spec_version == version);
        live.iter()
            .filter_map(|task| task.node)
            .map(model::NodeId::bits)
            .collect::<Vec<_>>()
    };
    let lost = node(&bed, 2)[0];
    bed.node_status(lost, NodeState::Down);
    bed.converge();
    let drained = node(&bed, 2)[0];
    bed.node_spec(drained, |spec| spec.availability = Availability::Drain);
    bed.converge();
    assert_eq!((of(&bed, web, 1), of(&bed, web, 2).len()), (all(4), 2));
    let (old, new) = (node(&bed, 1), node(&bed, 2));
    assert!(old.iter().chain(&new).all(|id| ![lost, drained].contains(id)));
    assert_eq!(state(&bed, web).0, UpdateState::Canary);
}

#[test]
fn of_a_global_service_a_share_of_the_nodes_have_one() {
    let (mut bed, web) = begun(1, 50, |spec| spec.mode = Mode::Global);
    bed.converge();
    let nodes = |bed: &Bed, version| {
        let live = tasks(bed, web, |t: &Task| t.is_live() && t.spec_version == version);
        live.iter()
            .filter_map(|task| task.node)
            .map(model::NodeId::bits)
            .collect::<Vec<_>>()
    };
    assert_eq!((nodes(&bed, 1), nodes(&bed, 2)), (vec![1, 2, 3, 4], vec![1, 2]));
    bed.node_spec(1, |spec| spec.availability = Availability::Drain);
    bed.converge();
    assert_eq!((nodes(&bed, 1), nodes(&bed, 2)), (vec![2, 3, 4], vec![2, 3]));
    bed.node_spec(1, |spec| spec.availability = Availability::Active);
    bed.converge();
    assert_eq!((nodes(&bed, 1).len(), nodes(&bed, 2)), (4, vec![2, 3]));
    bed.decide_canary(web, true).unwrap();
    for _ in 0..20 {
        bed.agents();
        bed.settle();
    }
    assert_eq!((nodes(&bed, 1).len(), nodes(&bed, 2).len()), (0, 4));
}

#[test]
fn jobs_have_none() {
    let mut bed = Bed::with_nodes(1);
    let job = bed.service("job", |spec| spec.mode = Mode::GlobalJob).unwrap();
    bed.converge();
    let refused = bed.canary(job, 10, |spec| spec.force_update = 1).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "service job is a global job: jobs have no canaries, update it without --canary"
    );
}
