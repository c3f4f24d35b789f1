//! Whatever happens to a service with canaries: its other tasks are as many as without, each slot has at most one task of
//! each kind, and canaries are no more than their share.

use model::DesiredState;
use proptest::prelude::*;

use super::*;
use crate::{Moment, next_deadline};

const NODES: u128 = 4;

#[derive(Clone, Debug)]
enum Step {
    Canary(u32, u32),
    Share(u32),
    Update(u32),
    Promote,
    Abort,
    Scale(u32),
    Down(u128),
    Up(u128),
    Drain(u128),
    Fail(usize),
    Agents,
    Time(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let node = 1..=NODES;
    prop_oneof![
        4 => (1..100u32, 1..5u32).prop_map(|(share, image)| Step::Canary(share, image)),
        2 => (1..100u32).prop_map(Step::Share),
        1 => (1..5u32).prop_map(Step::Update),
        2 => Just(Step::Promote),
        2 => Just(Step::Abort),
        2 => (0..7u32).prop_map(Step::Scale),
        1 => node.clone().prop_map(Step::Down),
        2 => node.clone().prop_map(Step::Up),
        1 => node.prop_map(Step::Drain),
        2 => (0..20usize).prop_map(Step::Fail),
        4 => Just(Step::Agents),
        2 => (1..70i64).prop_map(Step::Time),
    ]
}

/// Refusals are no concern here.
fn take(bed: &mut Bed, web: ServiceId, step: Step) {
    let image = |image: u32| move |spec: &mut ServiceSpec| spec.container.image = format!("image:{image}");
    match step {
        Step::Canary(share, number) => drop(bed.canary(web, share, image(number))),
        Step::Share(share) => drop(bed.canary(web, share, |_| ())),
        Step::Update(number) => bed.update(web, image(number)),
        Step::Promote => drop(bed.decide_canary(web, true)),
        Step::Abort => drop(bed.decide_canary(web, false)),
        Step::Scale(replicas) => bed.update(web, |spec| {
            if !spec.mode.is_global() {
                spec.mode = Mode::Replicated { replicas };
            }
        }),
        Step::Down(node) => bed.node_status(node, NodeState::Down),
        Step::Up(node) => {
            bed.node_status(node, NodeState::Ready);
            bed.node_spec(node, |spec| spec.availability = Availability::Active);
        }
        Step::Drain(node) => bed.node_spec(node, |spec| spec.availability = Availability::Drain),
        Step::Fail(number) => {
            let live = tasks(bed, web, |task| task.is_live() && task.node.is_some());
            if let Some(task) = live.get(number % live.len().max(1)) {
                bed.report(task.id, TaskState::Failed);
            }
        }
        Step::Agents => bed.agents(),
        Step::Time(seconds) => bed.now = Timestamp(bed.now.0 + seconds * SECOND),
    }
}

fn check(bed: &Bed, web: ServiceId) -> Result<(), TestCaseError> {
    let service = bed.view().service(web).unwrap();
    let Some(canary) = service.canary else { return Ok(()) };
    let slots = |canaries: bool| {
        let wanted = |task: &Task| task.desired < DesiredState::Shutdown;
        let kind = |task: &Task| wanted(task) && service.is_canary(task.spec_version) == canaries;
        tasks(bed, web, kind).iter().map(|task| task.slot).collect::<Vec<_>>()
    };
    let (old, new) = (slots(false), slots(true));
    for slots in [&old, &new] {
        prop_assert!(slots.is_sorted_by(|a, b| a < b), "two of a kind: {:?}", slots);
    }
    prop_assert!(new.iter().all(|slot| old.contains(slot)), "{:?} beside {:?}", new, old);
    prop_assert!(
        new.len() <= canary.tasks(old.len()),
        "{} beside {}",
        new.len(),
        old.len()
    );
    if let Some(replicas) = service.spec.replicas() {
        prop_assert_eq!(old.len(), replicas as usize);
    }
    let paused = service.update_status.as_ref().is_some_and(|s| s.state.is_paused());
    if !paused && !service.spec.mode.is_global() {
        prop_assert_eq!(new.len(), canary.tasks(old.len()));
    }
    Ok(())
}

fn play(mode: Mode, action: FailureAction, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut bed = Bed::with_nodes(NODES);
    let web = bed.service("web", |spec| {
        spec.mode = mode;
        acting(action)(spec);
    });
    let web = web.unwrap();
    bed.converge();
    for step in steps {
        take(&mut bed, web, step.clone());
        let mut whole = bed.clone();
        whole.settle();
        bed.settle_dirty();
        check(&bed, web)?;
        check(&whole, web)?;
        prop_assert_eq!(bed.settle(), 0, "a pass over everything finds more after {:?}", step);
    }
    // Whatever there was, it comes to an end.
    let _ = bed.decide_canary(web, true);
    (1..=NODES).for_each(|node| take(&mut bed, web, Step::Up(node)));
    for _ in 0..30 {
        bed.converge();
        later(&mut bed, 400);
    }
    let service = bed.view().service(web).unwrap();
    let status = service.update_status.as_ref().map(|status| status.state);
    if !status.is_some_and(UpdateState::is_paused) {
        prop_assert!(!status.is_some_and(UpdateState::is_under_way), "{:?}", status);
        let stale = tasks(&bed, web, |task| {
            task.is_live() && task.spec_version != service.spec_version
        });
        prop_assert_eq!(stale.len(), 0);
        prop_assert_eq!(next_deadline(bed.view(), Moment::settled(bed.now)), None);
    }
    Ok(())
}

fn action() -> impl Strategy<Value = FailureAction> {
    prop_oneof![
        Just(FailureAction::Pause),
        Just(FailureAction::Continue),
        Just(FailureAction::Rollback)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn of_replicas(action in action(), steps in prop::collection::vec(step(), 1..30)) {
        play(Mode::Replicated { replicas: 4 }, action, steps)?;
    }

    #[test]
    fn of_nodes(action in action(), steps in prop::collection::vec(step(), 1..30)) {
        play(Mode::Global, action, steps)?;
    }
}
