//! A task's way through its states, one step at a time.

use super::super::{Asked, fixture::task};
use super::*;

const NOW: Timestamp = Timestamp(7);

fn local(state: TaskState, container: Option<ContainerState>) -> Local {
    let mut status = task(1).status;
    status.state = state;
    let container = container.map(|state| Container {
        id: "c1".to_owned(),
        state,
    });
    Local {
        status,
        container,
        busy: false,
        revive: false,
        answers: Answers::default(),
    }
}

fn exited(code: i64) -> Option<ContainerState> {
    Some(ContainerState::Exited {
        code,
        error: String::new(),
    })
}

fn reported(step: Option<Step>) -> TaskStatus {
    match step {
        Some(Step::Report(status)) => status,
        other => panic!("{other:?} is no report"),
    }
}

/// Applies steps to a perfect engine until nothing is left to do, and returns the states that were reported.
fn run(task: &Task, local: &mut Local) -> Vec<TaskState> {
    let mut states = Vec::new();
    while let Some(step) = next(task, local, NOW) {
        assert!(states.len() < 20, "no end: {states:?}");
        let made = |state| {
            Some(Container {
                id: "c1".to_owned(),
                state,
            })
        };
        match step {
            Step::Report(status) => {
                states.push(status.state);
                local.status = status;
            }
            Step::Prepare => {
                local.container = made(ContainerState::Created);
                local.status.state = TaskState::Ready;
                states.push(TaskState::Ready);
            }
            Step::Start { .. } => local.container = made(ContainerState::Running),
            Step::Stop { .. } => local.container = made(exited(143).unwrap()),
            Step::Remove { .. } => local.container = None,
        }
    }
    states
}

#[test]
fn a_new_task_reports_every_state_up_to_running() {
    use TaskState::*;
    let mut local = local(Assigned, None);
    assert_eq!(
        run(&task(1), &mut local),
        [Accepted, Preparing, Ready, Starting, Running]
    );
}

#[test]
fn a_task_that_waits_is_prepared_and_not_started() {
    let mut task = task(1);
    task.desired = DesiredState::Ready;
    let mut waiting = local(TaskState::Assigned, None);
    assert_eq!(run(&task, &mut waiting).last(), Some(&TaskState::Ready));
    task.desired = DesiredState::Running;
    task.not_before = Some(Timestamp(NOW.0 + 3_600_000_000_000));
    let started = reported(next(&task, &waiting, NOW)).state;
    assert_eq!(started, TaskState::Starting, "the managers' clock counts");
}

#[test]
fn exit_codes_decide_between_complete_and_failed() {
    let done = reported(next(&task(1), &local(TaskState::Running, exited(0)), NOW));
    assert_eq!((done.state, done.exit_code), (TaskState::Complete, Some(0)));
    let failed = reported(next(&task(1), &local(TaskState::Running, exited(3)), NOW));
    assert_eq!(failed.state, TaskState::Failed);
    assert_eq!(failed.err, "task: non-zero exit (3)");
}

#[test]
fn shutdown_stops_reports_and_keeps_what_was_printed() {
    let mut task = task(1);
    task.desired = DesiredState::Shutdown;
    std::sync::Arc::make_mut(&mut task.container).stop_grace = Some(Duration::from_secs(3));
    let mut local = local(TaskState::Running, Some(ContainerState::Running));
    let stop = next(&task, &local, NOW);
    assert!(matches!(stop, Some(Step::Stop { grace, .. }) if grace == Duration::from_secs(3)));
    assert_eq!(run(&task, &mut local), [TaskState::Shutdown]);
    assert_eq!(local.container.unwrap().state, exited(143).unwrap());
}

#[test]
fn a_task_that_never_got_a_container_shuts_down_at_once() {
    let mut task = task(1);
    task.desired = DesiredState::Remove;
    assert_eq!(run(&task, &mut local(TaskState::Assigned, None)), [TaskState::Shutdown]);
}

fn with_probe() -> Task {
    let mut task = task(1);
    let container = std::sync::Arc::make_mut(&mut task.container);
    container.probe = Some(model::Probe::of("tcp://:80".parse().unwrap()));
    task
}

#[test]
fn a_health_check_keeps_a_task_starting_until_it_is_well_and_ends_it_when_it_is_not() {
    let starting = local(TaskState::Starting, Some(ContainerState::Starting));
    let waits = reported(next(&task(1), &starting, NOW));
    assert_eq!(waits.state, TaskState::Starting);
    let well = local(TaskState::Starting, Some(ContainerState::Running));
    assert_eq!(reported(next(&task(1), &well, NOW)).state, TaskState::Running);
    let last = "curl: (7) connection refused".to_owned();
    let mut ill = local(TaskState::Running, Some(ContainerState::Unhealthy { last }));
    assert_eq!(run(&task(1), &mut ill), [TaskState::Running, TaskState::Failed]);
    assert_eq!(
        ill.status.err,
        "task: unhealthy container: curl: (7) connection refused"
    );
}

#[test]
fn an_ill_task_takes_no_traffic_and_fails_when_its_container_has_ended() {
    let unhealthy = ContainerState::Unhealthy { last: String::new() };
    for state in [TaskState::Starting, TaskState::Running] {
        let mut task = task(1);
        std::sync::Arc::make_mut(&mut task.container).stop_grace = Some(Duration::from_secs(3));
        let mut ill = local(state, Some(unhealthy.clone()));
        ill.status = reported(next(&task, &ill, NOW));
        assert_eq!((ill.status.state, ill.status.not_ready), (state, true));
        // The agent may have begun anew, and the container may be well again: nothing of that counts any more.
        for now in [unhealthy.clone(), ContainerState::Running] {
            ill.container.as_mut().unwrap().state = now;
            let stop = next(&task, &ill, NOW);
            assert!(matches!(stop, Some(Step::Stop { grace, .. }) if grace == Duration::from_secs(3)));
        }
        let mut revived = ill.clone();
        ill.container.as_mut().unwrap().state = exited(0).unwrap();
        let failed = reported(next(&task, &ill, NOW));
        assert_eq!(
            (failed.state, failed.err.as_str()),
            (TaskState::Failed, "task: unhealthy container")
        );
        assert!(!failed.not_ready);
        (revived.container, revived.revive) = (ill.container.clone(), true);
        assert!(
            matches!(next(&task, &revived, NOW), Some(Step::Start { .. })),
            "after a boot"
        );
        task.desired = DesiredState::Shutdown;
        assert_eq!(
            reported(next(&task, &ill, NOW)).state,
            TaskState::Shutdown,
            "as it was told"
        );
    }
}

#[test]
fn a_probe_decides_on_readiness_and_in_the_end_on_the_task() {
    let task = with_probe();
    let mut asked = local(TaskState::Starting, Some(ContainerState::Running));
    assert_eq!(next(&task, &asked, NOW), None, "not asked yet");
    let bad = || Err("connection refused".to_owned());
    asked.answers.take(Asked::Probe, bad(), true);
    let waits = reported(next(&task, &asked, NOW));
    assert_eq!(
        (waits.state, waits.message.as_str()),
        (TaskState::Starting, "starting: probe: connection refused")
    );
    asked.status = waits;
    assert_eq!(next(&task, &asked, NOW), None, "said once");
    let mut running = |answer| {
        asked.answers.take(Asked::Probe, answer, true);
        asked.status = reported(next(&task, &asked, NOW));
        (asked.status.state, asked.status.not_ready)
    };
    assert_eq!(running(Ok(())), (TaskState::Running, false));
    assert_eq!(running(bad()), (TaskState::Running, true));
    assert_eq!(running(Ok(())), (TaskState::Running, false));
    running(bad());
    asked.answers.take(Asked::Probe, bad(), true);
    assert_eq!(next(&task, &asked, NOW), None);
    asked.answers.take(Asked::Probe, bad(), true);
    assert_eq!(run(&task, &mut asked), [TaskState::Running, TaskState::Failed]);
    assert_eq!(asked.status.err, "task: probe failed: connection refused");
}

#[test]
fn a_report_is_later_than_the_one_before_though_the_clock_was_set_back() {
    let (task, mut running) = (with_probe(), local(TaskState::Running, Some(ContainerState::Running)));
    let hour = Duration::from_secs(3600);
    running.status.at = NOW + hour;
    running.answers.take(Asked::Probe, Err("refused".to_owned()), true);
    let status = reported(next(&task, &running, NOW));
    assert!(status.not_ready && status.at > running.status.at);
    assert_eq!(reported(next(&task, &running, NOW + 2 * hour)).at, NOW + 2 * hour);
}

#[test]
fn a_task_known_as_not_ready_stays_so_until_it_answers() {
    let (task, mut found) = (with_probe(), local(TaskState::Running, Some(ContainerState::Running)));
    found.status.not_ready = true;
    assert_eq!(next(&task, &found, NOW), None);
    found.answers.take(Asked::Probe, Ok(()), true);
    assert!(!reported(next(&task, &found, NOW)).not_ready);
}

#[test]
fn a_running_container_found_at_start_is_kept() {
    let mut found = local(TaskState::Assigned, Some(ContainerState::Running));
    assert_eq!(run(&task(1), &mut found), [TaskState::Running]);
    assert!(found.container.is_some());
}

#[test]
fn a_half_made_container_found_at_start_is_made_anew() {
    let found = local(TaskState::Preparing, Some(ContainerState::Created));
    assert!(matches!(next(&task(1), &found, NOW), Some(Step::Remove { .. })));
}

#[test]
fn a_container_removed_by_hand_fails_its_task() {
    let status = reported(next(&task(1), &local(TaskState::Running, None), NOW));
    assert_eq!(status.state, TaskState::Failed);
}

#[test]
fn after_a_boot_an_exited_container_is_started_again() {
    let mut found = local(TaskState::Running, exited(255));
    found.revive = true;
    assert!(matches!(next(&task(1), &found, NOW), Some(Step::Start { .. })));
}

#[test]
fn containers_of_unknown_tasks_wait_for_the_managers_word() {
    let found = local(TaskState::Running, Some(ContainerState::Running));
    assert_eq!(next_unassigned(&found, Standing::Unknown), None);
    assert!(matches!(
        next_unassigned(&found, Standing::Over),
        Some(Step::Stop { .. })
    ));
    assert!(matches!(
        next_unassigned(&found, Standing::Forgotten),
        Some(Step::Stop { .. })
    ));
}

#[test]
fn an_ended_container_is_kept_as_long_as_its_task_is_remembered() {
    let ended = local(TaskState::Running, exited(0));
    assert_eq!(next_unassigned(&ended, Standing::Unknown), None);
    assert_eq!(next_unassigned(&ended, Standing::Over), None);
    let removed = next_unassigned(&ended, Standing::Forgotten);
    assert!(matches!(removed, Some(Step::Remove { .. })));
    let reported = local(TaskState::Failed, exited(1));
    assert_eq!(next(&task(1), &reported, NOW), None);
    let never_started = local(TaskState::Rejected, Some(ContainerState::Created));
    assert!(matches!(next(&task(1), &never_started, NOW), Some(Step::Remove { .. })));
    let unwell = Some(ContainerState::Unhealthy { last: String::new() });
    let ill = local(TaskState::Failed, unwell);
    assert!(matches!(next(&task(1), &ill, NOW), Some(Step::Stop { .. })));
}

#[test]
fn nothing_is_decided_while_an_operation_is_in_flight() {
    let mut busy = local(TaskState::Assigned, None);
    busy.busy = true;
    assert_eq!(next(&task(1), &busy, NOW), None);
    assert_eq!(next_unassigned(&busy, Standing::Forgotten), None);
}

#[test]
fn states_never_go_back() {
    let desires = [DesiredState::Ready, DesiredState::Running, DesiredState::Shutdown];
    let containers = [
        None,
        Some(ContainerState::Created),
        Some(ContainerState::Starting),
        Some(ContainerState::Running),
        exited(0),
        exited(1),
    ];
    for state in TaskState::ALL.into_iter().filter(|s| *s >= TaskState::Assigned) {
        for desired in desires {
            for container in &containers {
                let mut task = task(1);
                task.desired = desired;
                let local = local(state, container.clone());
                if let Some(Step::Report(status)) = next(&task, &local, NOW) {
                    assert!(status.state >= state, "{state} to {} ({desired:?})", status.state);
                }
            }
        }
    }
}
