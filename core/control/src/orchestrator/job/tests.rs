//! Whole passes over a small cluster with jobs.

use std::time::Duration;

use model::{DesiredState, Mode, NodeId, NodeState, RestartCondition, RestartPolicy, ServiceId, Task, TaskState};
use store::Command;

use crate::testbed::{Bed, SECOND, node, running, tasks, web};

fn job(nodes: u128, max_concurrent: u32, total_completions: u32) -> (Bed, ServiceId) {
    web(nodes, 0, |spec| {
        spec.mode = Mode::ReplicatedJob {
            max_concurrent,
            total_completions,
        };
    })
}

fn end(bed: &mut Bed, job: ServiceId, state: TaskState) {
    let task = tasks(bed, job, |task| task.status.state == TaskState::Running)[0].id;
    bed.now.0 += SECOND;
    bed.report(task, state);
    bed.settle_dirty();
}

fn count(bed: &Bed, job: ServiceId, state: TaskState) -> usize {
    tasks(bed, job, |task| task.status.state == state).len()
}

#[test]
fn so_many_run_at_a_time_until_so_many_have_ended() {
    let (mut bed, job) = job(2, 2, 5);
    for done in 0..5 {
        assert_eq!(running(&bed, job).len(), (5 - done).min(2), "after {done}");
        end(&mut bed, job, TaskState::Complete);
        bed.converge();
    }
    assert_eq!(count(&bed, job, TaskState::Complete), 5);
    let all = tasks(&bed, job, |_| true);
    assert!(all.iter().all(|task| task.desired == DesiredState::Complete));
    let slots: Vec<u32> = all.iter().map(|task| task.slot.get()).collect();
    assert_eq!(slots, [1, 2, 3, 4, 5]);
    assert_eq!(bed.settle(), 0, "it is done");
}

#[test]
fn without_a_limit_all_begin_at_once() {
    let (bed, job) = job(2, 0, 4);
    assert_eq!(running(&bed, job), [1, 2, 3, 4]);
}

#[test]
fn a_failed_task_is_tried_again_as_often_as_the_policy_says() {
    let attempts = |condition, max_attempts| RestartPolicy {
        condition,
        max_attempts,
        delay: Duration::ZERO,
        ..RestartPolicy::default()
    };
    for (policy, tries) in [
        (attempts(RestartCondition::OnFailure, 2), 3),
        (attempts(RestartCondition::None, 0), 1),
    ] {
        let (mut bed, job) = job(1, 1, 2);
        bed.update(job, |spec| spec.restart = Some(policy));
        bed.converge();
        for _ in 0..tries {
            end(&mut bed, job, TaskState::Failed);
            bed.converge();
        }
        assert_eq!(
            running(&bed, job),
            [2],
            "the first slot is given up, the second one has its turn"
        );
        end(&mut bed, job, TaskState::Complete);
        bed.converge();
        assert_eq!(
            (running(&bed, job).len(), count(&bed, job, TaskState::Complete)),
            (0, 1)
        );
    }
}

#[test]
fn a_changed_spec_is_another_run_and_the_tasks_of_the_last_one_go() {
    let (mut bed, job) = job(1, 1, 2);
    end(&mut bed, job, TaskState::Complete);
    bed.converge();
    bed.update(job, |spec| spec.force_update += 1);
    assert_eq!(
        bed.view().service(job).unwrap().job_status.as_ref().unwrap().iteration,
        1
    );
    bed.settle_dirty();
    let all = tasks(&bed, job, |_| true);
    let runs: Vec<_> = all.iter().map(|t| (t.slot.get(), t.job_iteration, t.desired)).collect();
    let (new, old) = ((1, Some(1), DesiredState::Complete), (2, Some(0), DesiredState::Remove));
    assert_eq!(runs, [new, old], "the ended one is forgotten, the running one stops");
    bed.converge();
    end(&mut bed, job, TaskState::Complete);
    bed.converge();
    end(&mut bed, job, TaskState::Complete);
    bed.converge();
    assert_eq!((bed.live(job).len(), count(&bed, job, TaskState::Complete)), (0, 2));
}

#[test]
fn a_new_run_waits_for_the_last_one_in_its_slot() {
    let (mut bed, job) = job(1, 0, 1);
    bed.update(job, |spec| spec.force_update += 1);
    bed.settle_dirty();
    assert_eq!(bed.live(job), ["1 n1 Assigned Ready"]);
    bed.converge();
    assert_eq!(bed.live(job), ["1 n1 Running Complete"]);
}

#[test]
fn a_task_that_is_lost_with_its_node_is_done_again_elsewhere() {
    let (mut bed, job) = job(2, 0, 2);
    bed.node_status(2, NodeState::Down);
    bed.settle_dirty();
    bed.converge();
    assert_eq!(bed.live(job), ["1 n1 Running Complete", "2 n1 Running Complete"]);
}

#[test]
fn a_global_job_runs_once_on_every_node() {
    let (mut bed, job) = web(2, 0, |spec| spec.mode = Mode::GlobalJob);
    assert_eq!(bed.live(job), ["1 n1 Running Complete", "2 n2 Running Complete"]);
    end(&mut bed, job, TaskState::Complete);
    end(&mut bed, job, TaskState::Complete);
    bed.converge();
    assert_eq!((bed.live(job).len(), bed.settle()), (0, 0));
    bed.apply(Command::UpsertNode(Box::new(node(3, "n3")))).unwrap();
    bed.settle_dirty();
    let new = tasks(&bed, job, Task::is_live);
    assert_eq!((new.len(), new[0].node), (1, Some(NodeId::from_bits(3))));
}

#[test]
fn a_failed_task_of_a_global_job_is_tried_again_on_its_node() {
    let (mut bed, job) = web(2, 0, |spec| {
        spec.mode = Mode::GlobalJob;
        spec.restart = Some(RestartPolicy {
            condition: RestartCondition::OnFailure,
            delay: Duration::ZERO,
            ..RestartPolicy::default()
        });
    });
    end(&mut bed, job, TaskState::Failed);
    bed.converge();
    assert_eq!(bed.live(job), ["1 n1 Running Complete", "2 n2 Running Complete"]);
    assert_eq!(count(&bed, job, TaskState::Failed), 1);
}

#[test]
fn a_first_run_ends_when_the_job_is_given_a_schedule_and_nothing_of_it_stays() {
    let (mut bed, job) = job(1, 2, 3);
    end(&mut bed, job, TaskState::Failed);
    let waits = tasks(&bed, job, |task| task.desired == DesiredState::Ready);
    assert_eq!(waits.len(), 1, "it is tried again later");
    bed.update(job, |spec| spec.schedule = Some(model::Schedule::of("@daily")));
    bed.settle_dirty();
    assert!(tasks(&bed, job, |task| task.desired < DesiredState::Remove).is_empty());
    bed.converge();
    let runs = &bed.view().service(job).unwrap().job_status.as_ref().unwrap().runs;
    assert_eq!((runs.len(), runs[0].outcome), (1, model::RunOutcome::Replaced));
    bed.now.0 += 3600 * SECOND;
    assert!(
        crate::next_deadline(bed.view(), crate::Moment::settled(bed.now)) > Some(bed.now),
        "not before its time"
    );
}

#[test]
fn what_was_made_beside_a_task_that_has_ended_well_all_the_same_is_not_run() {
    let (mut bed, job) = job(2, 0, 1);
    let first = tasks(&bed, job, Task::is_live)[0].clone();
    let drained = first.node.unwrap().bits();
    bed.node_spec(drained, |spec| spec.availability = model::Availability::Drain);
    bed.settle_dirty();
    assert_eq!(bed.live(job).len(), 1, "one waits for the end of the first");
    bed.now.0 += SECOND;
    bed.report(first.id, TaskState::Complete);
    bed.settle_dirty();
    bed.converge();
    assert!(bed.live(job).is_empty(), "{:?}", bed.live(job));
    assert_eq!(count(&bed, job, TaskState::Complete), 1);
    assert!(bed.view().service(job).unwrap().job_status.as_ref().unwrap().is_over());
}
