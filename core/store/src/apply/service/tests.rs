//! Specs forth and back, and what is noted of it.

mod canary;

use model::{Mode, Ratio, Service, ServiceSpec, TaskId, TaskState, UpdateState, UpdateStatus};

use crate::{Command, Refused, Rollback, RollbackCause, ServiceChange, State, TaskOp, fixture::*};

fn web(state: &State) -> Service {
    state.services().next().unwrap().clone()
}

fn change(state: &mut State, change: impl FnOnce(&mut ServiceSpec)) -> Service {
    try_change(state, None, change).unwrap()
}

fn try_change(
    state: &mut State,
    canary: Option<Ratio>,
    change: impl FnOnce(&mut ServiceSpec),
) -> Result<Service, Refused> {
    try_change_all(state, canary, |service| change(&mut service.spec))
}

/// Spec, virtual IPs and ports become what `change` makes of them.
fn try_change_all(
    state: &mut State,
    canary: Option<Ratio>,
    change: impl FnOnce(&mut Service),
) -> Result<Service, Refused> {
    let mut new = web(state);
    change(&mut new);
    let command = Command::UpdateService(Box::new(ServiceChange {
        id: new.id,
        version: new.version,
        at: AT,
        spec: new.spec,
        vips: new.vips,
        ports: new.ports,
        canary,
    }));
    apply(state, command)?;
    Ok(web(state))
}

fn back(state: &mut State, cause: RollbackCause) -> Result<Service, Refused> {
    let old = web(state);
    let (vips, ports) = (old.vips, old.ports);
    let rollback = Rollback {
        id: old.id,
        version: old.version,
        at: AT,
        cause,
        vips,
        ports,
    };
    apply(state, Command::RollbackService(Box::new(rollback)))?;
    Ok(web(state))
}

fn image(number: u32) -> impl FnOnce(&mut ServiceSpec) {
    move |spec| spec.container.image = format!("image:{number}")
}

fn how(service: &Service) -> Option<UpdateState> {
    service.update_status.as_ref().map(|status| status.state)
}

#[test]
fn only_what_replaces_tasks_is_an_update_under_way() {
    let mut state = state();
    let scaled = change(&mut state, |spec| spec.mode = Mode::Replicated { replicas: 3 });
    assert_eq!((scaled.spec_version, how(&scaled)), (1, None));
    let forced = change(&mut state, |spec| spec.force_update = 1);
    assert_eq!((forced.spec_version, how(&forced)), (2, Some(UpdateState::Updating)));
    assert_eq!(state.services_updating().count(), 1);
    let scaled = change(&mut state, |spec| spec.mode = Mode::Replicated { replicas: 4 });
    assert_eq!(
        (scaled.spec_version, how(&scaled)),
        (2, Some(UpdateState::Updating)),
        "it goes on"
    );
    apply(&mut state, report(1, 1, TaskState::Failed, 5)).unwrap();
    let idle = change(&mut state, image(2));
    assert_eq!(
        (idle.spec_version, how(&idle)),
        (3, None),
        "nothing runs that is to be replaced"
    );
    assert_eq!(state.services_updating().count(), 0);
}

#[test]
fn a_rollback_brings_spec_and_number_back_and_another_goes_forward_again() {
    let mut state = state();
    let none = back(&mut state, RollbackCause::Asked).unwrap_err();
    assert_eq!(none.to_string(), "service web does not have a previous spec");
    change(&mut state, image(2));
    for (image, version) in [("image", 1), ("image:2", 2)] {
        let there = back(&mut state, RollbackCause::Asked).unwrap();
        assert_eq!(
            (there.spec.container.image.as_str(), there.spec_version),
            (image, version)
        );
        assert_eq!(how(&there), Some(UpdateState::RollbackStarted));
    }
    let third = change(&mut state, image(3));
    assert_eq!((third.spec_version, third.previous.unwrap().spec_version), (3, 2));
}

#[test]
fn tasks_of_another_spec_keep_their_ports_as_long_as_they_live() {
    let mut state = state();
    let update = |state: &mut State, number: u32, target: u16| {
        let changed = try_change_all(state, None, |service| {
            image(number)(&mut service.spec);
            service.ports[0].target = target;
        });
        let earlier = changed.unwrap().earlier_ports.into_iter();
        earlier.map(|e| (e.spec_version, e.ports[0].target)).collect::<Vec<_>>()
    };
    let run = |state: &mut State, id: u32, spec_version| {
        let mut new = task(id.into());
        (new.slot, new.spec_version) = (id.try_into().unwrap(), spec_version);
        apply(state, Command::Tasks(vec![TaskOp::Create(Box::new(new))])).unwrap();
    };
    assert_eq!(update(&mut state, 2, 8000), [(1, 80)]);
    assert_eq!(
        update(&mut state, 2, 8001),
        [(1, 80)],
        "the same tasks, reached elsewhere"
    );
    run(&mut state, 2, 2);
    assert_eq!(update(&mut state, 3, 9000), [(1, 80), (2, 8001)]);
    run(&mut state, 3, 3);
    apply(&mut state, report(1, 1, TaskState::Failed, 5)).unwrap();
    let back = back(&mut state, RollbackCause::Asked).unwrap();
    let earlier: Vec<u64> = back.earlier_ports.iter().map(|e| e.spec_version).collect();
    assert_eq!((back.spec_version, earlier), (2, vec![3]));
}

#[test]
fn what_failed_does_not_come_back_and_keeps_its_number() {
    let mut state = state();
    change(&mut state, image(2));
    let mut new = task(2);
    new.spec_version = 2;
    apply(&mut state, Command::Tasks(vec![TaskOp::Create(Box::new(new))])).unwrap();
    let failed = back(&mut state, RollbackCause::Failed(TaskId::from_bits(2))).unwrap();
    assert_eq!((failed.spec_version, failed.previous), (1, None));
    let words = failed.update_status.unwrap().message;
    assert_eq!(
        words,
        "update rolled back due to failure or early termination of task 0000000000000000000000002"
    );
    assert_eq!(change(&mut state, image(3)).spec_version, 3);
}

#[test]
fn a_status_is_taken_of_the_update_that_it_is_about() {
    let mut state = state();
    let updating = change(&mut state, image(2));
    let status = updating.update_status.clone().unwrap();
    let set = |version, status: UpdateStatus| Command::SetUpdateStatus {
        id: updating.id,
        version,
        status: Box::new(status),
    };
    let late = apply(&mut state, set(updating.version - 1, status.completed(AT))).unwrap_err();
    assert!(matches!(late, Refused::OutOfSequence { .. }), "{late}");
    apply(&mut state, set(updating.version, status.paused("because"))).unwrap();
    let paused = web(&state);
    assert_eq!(
        (how(&paused), paused.version),
        (Some(UpdateState::Paused), updating.version)
    );
    let twice = apply(&mut state, set(updating.version, status.completed(AT))).unwrap_err();
    assert_eq!(twice.to_string(), "no update of service web is under way");
}

#[test]
fn a_new_task_may_come_beside_one_of_another_spec_only() {
    let mut state = state();
    change(&mut state, image(2));
    let mut create = |id, version| {
        let mut new = task(id);
        new.spec_version = version;
        apply(&mut state, Command::Tasks(vec![TaskOp::Create(Box::new(new))])).is_ok()
    };
    assert!(!create(2, 1), "of the old spec");
    assert!(create(3, 2));
    assert!(!create(4, 2), "a third one");
}
