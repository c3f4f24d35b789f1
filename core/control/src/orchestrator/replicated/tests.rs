//! Scaling, healing, node loss, drain, update: whole passes over a small cluster whose agents obey at once.

use std::{collections::BTreeSet, time::Duration};

use model::{
    Availability, DesiredState, Mode, NodeId, NodeState, RestartCondition, RestartPolicy, ServiceId, Task, TaskState,
    Timestamp,
};
use store::Command;

use crate::{
    Moment, next_deadline,
    testbed::{Bed, SECOND, running, tasks, web},
};

/// Ends the live task of slot 1 as `state`.
fn end(bed: &mut Bed, service: ServiceId, state: TaskState) {
    let task = tasks(bed, service, Task::is_live)[0].id;
    bed.report(task, state);
    bed.settle();
}

fn later(bed: &mut Bed, seconds: i64) {
    bed.now = Timestamp(bed.now.0 + seconds * SECOND);
}

fn scale(bed: &mut Bed, service: ServiceId, replicas: u32) {
    bed.update(service, |spec| spec.mode = Mode::Replicated { replicas });
    bed.converge();
}

#[test]
fn one_pass_makes_addresses_and_places_tasks_spread_over_the_nodes() {
    let mut bed = Bed::with_nodes(3);
    let web = bed
        .service("web", |spec| spec.mode = Mode::Replicated { replicas: 3 })
        .unwrap();
    assert_eq!(bed.settle(), 1, "a second pass has nothing to do");
    let made = tasks(&bed, web, |t| {
        t.status.state == TaskState::Assigned && t.attachments.len() == 1
    });
    let nodes: BTreeSet<_> = made.iter().filter_map(|t| t.node).collect();
    assert_eq!((made.len(), nodes.len()), (3, 3));
}

#[test]
fn scaling_down_takes_from_the_crowded_node_and_scaling_up_fills_the_gaps() {
    let (mut bed, web) = web(2, 3, |_| ());
    scale(&mut bed, web, 2);
    let nodes: BTreeSet<_> = tasks(&bed, web, Task::is_live).iter().filter_map(|t| t.node).collect();
    assert_eq!((running(&bed, web).len(), nodes.len()), (2, 2));
    assert_eq!(tasks(&bed, web, |_| true).len(), 2, "given-up slots leave no history");
    scale(&mut bed, web, 4);
    assert_eq!(running(&bed, web), [1, 2, 3, 4]);
}

#[test]
fn a_failed_task_is_prepared_at_once_and_started_after_the_delay() {
    let (mut bed, web) = web(1, 1, |_| ());
    end(&mut bed, web, TaskState::Failed);
    assert_eq!(bed.live(web), ["1 n1 Assigned Ready"]);
    bed.agents();
    assert_eq!(bed.live(web), ["1 n1 Ready Ready"]);
    let due = next_deadline(bed.view(), Moment::settled(bed.now)).unwrap();
    assert_eq!(due.since(bed.now), Duration::from_secs(5));
    later(&mut bed, 4);
    assert_eq!(bed.settle(), 0);
    later(&mut bed, 1);
    bed.converge();
    assert_eq!(bed.live(web), ["1 n1 Running Running"]);
    assert_eq!(next_deadline(bed.view(), Moment::settled(bed.now)), None);
}

#[test]
fn a_delay_does_not_become_an_hour_when_the_clock_is_set_back_by_one() {
    let (mut bed, web) = web(1, 1, |_| ());
    later(&mut bed, 3600);
    end(&mut bed, web, TaskState::Failed);
    bed.agents();
    assert_eq!(bed.live(web), ["1 n1 Ready Ready"]);
    bed.now = Timestamp(bed.now.0 - 3_600_000_000_000);
    assert!(next_deadline(bed.view(), Moment::settled(bed.now)).is_some_and(|due| due <= bed.now));
    bed.settle();
    bed.converge();
    assert_eq!(bed.live(web), ["1 n1 Running Running"]);
}

#[test]
fn a_task_that_cannot_be_made_is_tried_once_per_delay() {
    let (mut bed, web) = web(1, 1, |_| ());
    for round in 1..=4 {
        end(&mut bed, web, TaskState::Rejected);
        assert_eq!(bed.settle(), 0, "nothing more in round {round}");
        let made = tasks(&bed, web, |_| true).len();
        later(&mut bed, 4);
        assert_eq!(bed.settle(), 0);
        assert_eq!(tasks(&bed, web, |_| true).len(), made);
        later(&mut bed, 1);
        bed.settle();
    }
}

#[test]
fn a_slot_stays_empty_when_the_policy_says_so() {
    for (condition, state, refilled) in [
        (RestartCondition::None, TaskState::Failed, false),
        (RestartCondition::OnFailure, TaskState::Complete, false),
        (RestartCondition::OnFailure, TaskState::Failed, true),
        (RestartCondition::Any, TaskState::Complete, true),
    ] {
        let (mut bed, web) = web(1, 1, |spec| {
            spec.restart = Some(RestartPolicy {
                condition,
                ..RestartPolicy::default()
            });
        });
        end(&mut bed, web, state);
        later(&mut bed, 6);
        bed.converge();
        assert_eq!(running(&bed, web).len() == 1, refilled, "{condition:?} after {state}");
    }
}

#[test]
fn attempts_are_limited() {
    let (mut bed, web) = web(1, 1, |spec| {
        spec.restart = Some(RestartPolicy {
            max_attempts: 2,
            ..RestartPolicy::default()
        });
    });
    for left in [true, true, false] {
        end(&mut bed, web, TaskState::Failed);
        later(&mut bed, 6);
        bed.converge();
        assert_eq!(!running(&bed, web).is_empty(), left);
    }
}

#[test]
fn history_is_kept_up_to_the_limit() {
    let (mut bed, web) = web(1, 1, |_| ());
    for _ in 0..9 {
        end(&mut bed, web, TaskState::Failed);
        later(&mut bed, 15);
        bed.converge();
    }
    assert_eq!(tasks(&bed, web, |_| true).len(), 5);
}

#[test]
fn tasks_of_a_down_node_are_replaced_at_once_and_stopped_when_it_is_back() {
    let (mut bed, web) = web(2, 2, |_| ());
    bed.node_status(2, NodeState::Down);
    bed.settle();
    let on_1 = tasks(&bed, web, |t| t.is_live() && t.node == Some(NodeId::from_bits(1)));
    assert!(
        on_1.len() == 2 && on_1.iter().all(|t| t.desired == DesiredState::Running),
        "no delay"
    );
    bed.converge();
    let lost = |bed: &Bed| {
        tasks(bed, web, |t| {
            t.node == Some(NodeId::from_bits(2)) && !t.status.state.is_terminal()
        })
    };
    assert_eq!(lost(&bed).len(), 1, "nobody has said that it ended");
    bed.node_status(2, NodeState::Ready);
    bed.converge();
    assert_eq!((lost(&bed).len(), running(&bed, web).len()), (0, 2));
}

#[test]
fn a_drained_node_is_left_stop_first() {
    let (mut bed, web) = web(2, 2, |_| ());
    let node = bed.view().node(NodeId::from_bits(2)).unwrap().clone();
    let mut spec = node.spec.clone();
    spec.availability = Availability::Drain;
    bed.apply(Command::UpdateNodeSpec {
        id: node.id,
        version: node.version,
        at: bed.now,
        spec,
    })
    .unwrap();
    bed.settle();
    let waiting = tasks(&bed, web, |t| t.is_live() && t.desired == DesiredState::Ready);
    assert_eq!(waiting.len(), 1, "the replacement waits for its predecessor");
    assert_eq!(
        next_deadline(bed.view(), Moment::settled(bed.now))
            .unwrap()
            .since(bed.now),
        Duration::from_secs(60)
    );
    bed.converge();
    assert_eq!(running(&bed, web), [1, 2]);
    assert!(tasks(&bed, web, |t| t.is_live() && t.node == Some(node.id)).is_empty());
}

#[test]
fn a_predecessor_that_never_stops_is_waited_for_a_minute() {
    let (mut bed, web) = web(1, 1, |_| ());
    bed.update(web, |spec| spec.container.image = "image:2".to_owned());
    bed.settle();
    later(&mut bed, 59);
    assert_eq!(bed.settle(), 0);
    later(&mut bed, 1);
    bed.settle();
    assert_eq!(bed.live(web), ["1 n1 Assigned Running"]);
}

#[test]
fn a_leader_whose_clock_was_ahead_does_not_cut_the_wait_for_a_predecessor_short() {
    let (mut bed, web) = web(1, 1, |_| ());
    later(&mut bed, 600);
    bed.update(web, |spec| spec.container.image = "image:2".to_owned());
    bed.settle();
    bed.now = Timestamp(bed.now.0 - 30_000_000_000);
    assert_eq!(bed.settle(), 0);
    later(&mut bed, 89);
    assert_eq!(bed.settle(), 0);
    later(&mut bed, 1);
    bed.settle();
    assert_eq!(bed.live(web), ["1 n1 Assigned Running"]);
}

#[test]
fn an_update_replaces_one_running_task_at_a_time() {
    let (mut bed, web) = web(3, 3, |_| ());
    bed.update(web, |spec| spec.container.image = "image:2".to_owned());
    for new in 1..=3 {
        bed.settle();
        assert_eq!(running(&bed, web).len(), 2, "one at a time");
        bed.agents();
        bed.settle();
        bed.agents();
        let on_new = tasks(&bed, web, |t| t.is_live() && t.spec_version == 2);
        assert_eq!((running(&bed, web).len(), on_new.len()), (3, new));
    }
    assert_eq!(bed.settle(), 0);
}

#[test]
fn scaling_touches_no_running_task_and_publishing_neither() {
    let (mut bed, web) = web(1, 2, |_| ());
    let before: Vec<_> = tasks(&bed, web, |_| true).iter().map(|t| t.id).collect();
    bed.update(web, |spec| spec.ports = vec!["8080:80".parse().unwrap()]);
    scale(&mut bed, web, 3);
    let after: Vec<_> = tasks(&bed, web, |_| true).iter().map(|t| t.id).collect();
    assert!(before.iter().all(|id| after.contains(id)) && after.len() == 3);
}

/// A service with a task on each of two nodes, removed while the second one is down.
fn removed_with_a_lost_task() -> (Bed, ServiceId) {
    let (mut bed, web) = web(2, 2, |_| ());
    bed.apply(Command::RemoveService { id: web, at: bed.now }).unwrap();
    bed.settle();
    assert_eq!(tasks(&bed, web, |_| true).len(), 2, "they still run");
    bed.node_status(2, NodeState::Down);
    bed.converge();
    (bed, web)
}

#[test]
fn tasks_of_a_removed_service_go_when_they_have_stopped() {
    let (mut bed, web) = removed_with_a_lost_task();
    let left = tasks(&bed, web, |_| true);
    assert_eq!(left.len(), 1, "nobody has said that the other one stopped");
    let at = left[0].attachments[0].clone();
    assert!(bed.view().address_owner(at.network, at.addr).is_some());
    bed.node_status(2, NodeState::Ready);
    bed.converge();
    assert_eq!(bed.view().tasks().count(), 0);
    assert!(bed.view().address_owner(at.network, at.addr).is_none());
}

#[test]
fn tasks_on_a_lost_node_are_given_up_after_a_day_or_with_their_node() {
    let (mut bed, _) = removed_with_a_lost_task();
    later(&mut bed, 24 * 3600 - 1);
    bed.converge();
    assert_eq!(bed.view().tasks().count(), 1);
    later(&mut bed, 1);
    bed.converge();
    assert_eq!(bed.view().tasks().count(), 0);
    let (mut bed, _) = removed_with_a_lost_task();
    let (id, at) = (NodeId::from_bits(2), bed.now);
    bed.apply(Command::RemoveNode { id, at, force: false }).unwrap();
    bed.converge();
    assert_eq!(bed.view().tasks().count(), 0);
}

#[test]
fn a_node_that_comes_back_stops_what_was_replaced_and_gets_nothing_by_itself() {
    let (mut bed, web) = web(3, 3, |_| ());
    bed.node_status(3, NodeState::Down);
    bed.converge();
    bed.node_status(3, NodeState::Ready);
    let old = tasks(&bed, web, |t| t.node == Some(NodeId::from_bits(3)));
    assert!(old.iter().all(|task| task.desired >= DesiredState::Shutdown));
    bed.converge();
    let on_3 = tasks(&bed, web, |t| t.is_live() && t.node == Some(NodeId::from_bits(3)));
    assert_eq!((on_3.len(), running(&bed, web).len()), (0, 3));
}

#[test]
fn a_paused_node_keeps_its_tasks_and_gets_none() {
    let (mut bed, web) = web(2, 2, |_| ());
    let node = bed.view().node(NodeId::from_bits(2)).unwrap().clone();
    let (id, version, at, mut spec) = (node.id, node.version, bed.now, node.spec);
    spec.availability = Availability::Pause;
    bed.apply(Command::UpdateNodeSpec { id, version, at, spec }).unwrap();
    scale(&mut bed, web, 6);
    let on_2 = tasks(&bed, web, |t| t.is_live() && t.node == Some(id));
    assert_eq!((on_2.len(), running(&bed, web).len()), (1, 6));
}

#[test]
fn a_slot_that_is_given_up_and_filled_again_waits_for_what_it_had() {
    let (mut bed, web) = web(2, 2, |_| ());
    for replicas in [1, 2] {
        bed.update(web, |spec| spec.mode = Mode::Replicated { replicas });
        bed.settle_dirty();
    }
    let wanted = |bed: &Bed| {
        tasks(bed, web, Task::is_live)
            .iter()
            .map(|t| t.desired)
            .collect::<Vec<_>>()
    };
    assert!(wanted(&bed).contains(&DesiredState::Ready), "{:?}", bed.live(web));
    let runs = |task: &Task| task.status.state == TaskState::Running;
    assert_eq!(tasks(&bed, web, runs).len(), 2, "the old one has not heard of its end");
    bed.converge();
    assert_eq!(running(&bed, web), [1, 2]);
    assert!(!wanted(&bed).contains(&DesiredState::Ready));
}
