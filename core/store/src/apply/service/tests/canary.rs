//! A canary's way: begun, changed, promoted, aborted, superseded; and what is refused.

use model::{Canary, DesiredState, EndpointMode};

use super::*;

fn percent(share: u32) -> Ratio {
    Ratio::new(share * 10_000).unwrap()
}

fn begin(state: &mut State, share: u32, number: u32) -> Result<Service, Refused> {
    try_change(state, Some(percent(share)), image(number))
}

fn promote(state: &mut State) -> Result<Service, Refused> {
    let Service { id, version, .. } = web(state);
    apply(state, Command::PromoteCanary { id, version, at: AT })?;
    Ok(web(state))
}

fn task_of(id: u128, version: u64) -> Command {
    let mut new = task(id);
    new.spec_version = version;
    Command::Tasks(vec![TaskOp::Create(Box::new(new))])
}

fn desired(state: &State, id: u128) -> DesiredState {
    state.task(TaskId::from_bits(id)).unwrap().desired
}

/// Image, spec version, the one before, and the share with the first version of canaries.
fn facts(service: &Service) -> (&str, u64, Option<u64>, Option<(Ratio, u64)>) {
    let before = service.previous.as_ref().map(|previous| previous.spec_version);
    let canary = service.canary.map(|Canary { share, first }| (share, first));
    (&service.spec.container.image, service.spec_version, before, canary)
}

#[test]
fn a_canary_has_a_share_and_is_promoted_to_an_update() {
    let mut state = state();
    assert_eq!(
        promote(&mut state).unwrap_err().to_string(),
        "service web has no canary to promote or abort: begin one with \"netctl service update --canary 10% ... web\""
    );
    let canary = begin(&mut state, 10, 2).unwrap();
    assert_eq!(facts(&canary), ("image:2", 2, Some(1), Some((percent(10), 2))));
    let status = canary.update_status.clone().unwrap();
    assert_eq!(
        (status.state, status.message.as_str()),
        (UpdateState::Canary, "canary of 10% in progress")
    );
    assert_eq!(state.services_updating().count(), 1);
    let promoted = promote(&mut state).unwrap();
    assert_eq!(facts(&promoted), ("image:2", 2, Some(1), None));
    assert_eq!(how(&promoted), Some(UpdateState::Updating));
    assert!(promote(&mut state).is_err());
    let again = State::decode(&state.encode().unwrap()).unwrap();
    assert_eq!(again, state);
}

#[test]
fn an_aborted_canary_lets_its_tasks_go_in_the_same_step_and_does_not_come_back() {
    for cause in [RollbackCause::Asked, RollbackCause::Failed(TaskId::from_bits(2))] {
        let mut state = state();
        begin(&mut state, 10, 2).unwrap();
        apply(&mut state, task_of(2, 2)).unwrap();
        let aborted = back(&mut state, cause).unwrap();
        assert_eq!(facts(&aborted), ("image", 1, None, None));
        assert_eq!(how(&aborted), Some(UpdateState::RollbackStarted));
        let wanted = [1, 2].map(|id| desired(&state, id));
        assert_eq!(wanted, [DesiredState::Running, DesiredState::Shutdown]);
        let aborted = matches!(cause, RollbackCause::Asked);
        let words = web(&state).update_status.unwrap().message;
        assert_eq!(words == "canary aborted", aborted, "{words}");
    }
}

#[test]
fn a_slot_has_room_for_one_task_of_each_spec() {
    let mut state = state();
    begin(&mut state, 10, 2).unwrap();
    apply(&mut state, task_of(2, 2)).unwrap();
    begin(&mut state, 10, 3).unwrap();
    for (id, version) in [(3, 1), (3, 2), (3, 3)] {
        let refused = apply(&mut state, task_of(id, version)).unwrap_err();
        assert!(matches!(refused, Refused::SlotTaken { .. }), "{version}: {refused}");
    }
    apply(&mut state, report(1, 1, TaskState::Failed, 5)).unwrap();
    apply(&mut state, task_of(3, 1)).unwrap();
}

#[test]
fn a_canary_goes_on_when_its_tasks_still_fit() {
    let mut state = state();
    begin(&mut state, 10, 2).unwrap();
    let scaled = change(&mut state, |spec| spec.mode = Mode::Replicated { replicas: 7 });
    assert_eq!(facts(&scaled), ("image:2", 2, Some(1), Some((percent(10), 2))));
    assert_eq!(how(&scaled), Some(UpdateState::Canary));
    let more = try_change(&mut state, Some(percent(50)), |_| ()).unwrap();
    assert_eq!(facts(&more), ("image:2", 2, Some(1), Some((percent(50), 2))));
    let aborted = back(&mut state, RollbackCause::Asked).unwrap();
    assert_eq!(aborted.spec.replicas(), Some(7), "how many is for both specs");
}

#[test]
fn another_canary_or_an_update_takes_its_place_and_the_spec_before_stays() {
    let mut state = state();
    begin(&mut state, 10, 2).unwrap();
    apply(&mut state, task_of(2, 2)).unwrap();
    let third = begin(&mut state, 20, 3).unwrap();
    assert_eq!(facts(&third), ("image:3", 3, Some(1), Some((percent(20), 2))));
    assert_eq!(desired(&state, 2), DesiredState::Running, "until the next pass");
    let updated = change(&mut state, image(4));
    assert_eq!(facts(&updated), ("image:4", 4, Some(1), None));
    assert_eq!(how(&updated), Some(UpdateState::Updating));
    assert_eq!(desired(&state, 2), DesiredState::Shutdown);
}

#[test]
fn an_update_to_what_the_other_tasks_are_ends_a_canary_and_replaces_nothing() {
    let mut state = state();
    begin(&mut state, 10, 2).unwrap();
    apply(&mut state, task_of(2, 2)).unwrap();
    let back = change(&mut state, |spec| spec.container.image = "image".into());
    assert_eq!(facts(&back), ("image", 1, Some(1), None));
    assert_eq!((how(&back), desired(&state, 2)), (None, DesiredState::Shutdown));
}

#[test]
fn what_can_be_no_canary_is_refused_and_changes_nothing() {
    let mut state = state();
    let before = web(&state);
    let tenth = Some(percent(10));
    let unchanged = try_change(&mut state, tenth, |_| ()).unwrap_err();
    assert!(matches!(unchanged, Refused::CanaryUnchanged(_)), "{unchanged}");
    let reach = try_change(&mut state, tenth, |spec| {
        spec.endpoint_mode = EndpointMode::Dnsrr;
        spec.container.image = "image:2".into();
    });
    assert!(matches!(reach, Err(Refused::CanaryReach(_))), "{reach:?}");
    for share in [0, 100] {
        let refused = begin(&mut state, share, 2).unwrap_err();
        assert!(refused.to_string().contains("between 1% and 99%"), "{refused}");
    }
    assert_eq!(web(&state), before);
    change(&mut state, image(2));
    let updating = begin(&mut state, 10, 3).unwrap_err();
    assert!(matches!(updating, Refused::CanaryWhileUpdating(_)), "{updating}");
}
