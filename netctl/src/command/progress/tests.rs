//! What is shown of tasks as they come and go.

use model::{NodeId, Timestamp};

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

#[test]
fn slots_beyond_the_replicas_are_shown_where_there_is_room() {
    let mut service = service();
    service.spec.mode = Mode::Replicated { replicas: 3 };
    let mut gone = running(1, 1);
    gone.desired = DesiredState::Shutdown;
    let starting = task(5, 5, 0, TaskState::Starting, DesiredState::Running);
    let tasks = [gone, running(2, 2), running(4, 4), starting];
    assert_eq!(
        Progress::of(&service, &tasks).lines(false),
        [
            "overall progress: 2 out of 3 tasks",
            "1/3: running",
            "2/3: running",
            "3/3: starting"
        ]
    );
}

fn global() -> model::Service {
    let mut global = service();
    global.spec.mode = Mode::Global;
    global
}

/// A task for the node with this number.
fn on(node: u128, state: TaskState, desired: DesiredState) -> Task {
    Task {
        pinned: Some(NodeId::from_bits(node)),
        ..task(node, node as u32, 0, state, desired)
    }
}

#[test]
fn nodes_that_have_no_task_any_more_are_not_waited_for() {
    let down = on(2, TaskState::Running, DesiredState::Shutdown);
    let drained = on(3, TaskState::Shutdown, DesiredState::Shutdown);
    let mut paused = on(4, TaskState::Running, DesiredState::Running);
    paused.spec_version = 0;
    let runs = on(1, TaskState::Running, DesiredState::Running);
    let progress = Progress::of(&global(), &[runs.clone(), down, drained, paused]);
    assert!(progress.is_done());
    assert_eq!(progress.lines(false)[0], "overall progress: 1 out of 1 tasks");
    let failed = on(2, TaskState::Failed, DesiredState::Shutdown);
    assert!(
        !Progress::of(&global(), &[runs, failed]).is_done(),
        "nobody took it away"
    );
}

#[test]
fn nodes_that_an_update_has_not_come_to_yet_count() {
    let mut service = global();
    service.update_status = Some(model::UpdateStatus::begun(Timestamp(0)));
    let mut old = on(2, TaskState::Running, DesiredState::Running);
    old.spec_version = 0;
    let tasks = [on(1, TaskState::Running, DesiredState::Running), old];
    let progress = Progress::of(&service, &tasks);
    assert_eq!(progress.lines(false)[0], "overall progress: 1 out of 2 tasks");
}

#[test]
fn a_global_service_without_tasks_waits_for_some_until_its_update_is_over() {
    let mut service = global();
    let drained = on(3, TaskState::Shutdown, DesiredState::Shutdown);
    let progress = Progress::of(&service, &[drained]);
    assert!(!progress.is_done());
    assert_eq!(progress.lines(false), ["overall progress: waiting for new tasks"]);
    let begun = model::UpdateStatus::begun(Timestamp(0));
    service.update_status = Some(begun.completed(Timestamp(1)));
    assert!(Progress::of(&service, &[]).is_done(), "no node is to have one");
}

#[test]
fn a_job_is_done_when_its_run_is_over_and_not_before_it_has_tasks() {
    let mut job = global();
    job.spec.mode = Mode::GlobalJob;
    job.job_status = Some(model::JobStatus::starting(Timestamp(0)));
    let progress = Progress::of(&job, &[]);
    assert!(!progress.is_done());
    assert_eq!(progress.lines(false), ["job progress: waiting for tasks"]);
    let mut earlier = on(1, TaskState::Complete, DesiredState::Complete);
    earlier.spec_version = 0;
    earlier.job_iteration = Some(0);
    let away = Task {
        job_iteration: Some(0),
        ..on(2, TaskState::Running, DesiredState::Shutdown)
    };
    let progress = Progress::of(&job, &[earlier, away]);
    assert_eq!(progress.lines(false)[0], "job progress: 1 out of 1 complete");
    assert!(progress.is_done());
    job.spec.mode = Mode::ReplicatedJob {
        max_concurrent: 1,
        total_completions: 2,
    };
    assert!(!Progress::of(&job, &[]).is_done());
    let status = job.job_status.as_mut().unwrap();
    status.end(Timestamp(1), model::RunOutcome::Completed);
    assert!(Progress::of(&job, &[]).is_done(), "its tasks may be forgotten by then");
}
