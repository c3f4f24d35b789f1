//! A pass over what events have marked leaves nothing for a pass over everything.

use std::time::Duration;

use model::{Availability, FailureAction, Mode, NodeId, NodeState, ServiceId, TaskState, UpdateOrder, UpdatePolicy};
use proptest::prelude::*;
use store::Command;

use crate::testbed::{Bed, SECOND, running};

/// One thing that happens to the cluster; numbers choose among what there is.
#[derive(Clone, Debug)]
enum Happening {
    Scale(usize, u32),
    Update(usize, u8),
    RollBack(usize),
    Constrain(usize, bool),
    Remove(usize),
    NodeState(u128, NodeState),
    Drain(u128, bool),
    TaskEnds(usize, TaskState),
    Agents,
    Time(i64),
}

fn happening() -> impl Strategy<Value = Happening> {
    let node_state = prop_oneof![Just(NodeState::Down), Just(NodeState::Ready)];
    let end = prop_oneof![
        Just(TaskState::Failed),
        Just(TaskState::Complete),
        Just(TaskState::Rejected)
    ];
    prop_oneof![
        3 => (0..3usize, 0..6u32).prop_map(|(service, replicas)| Happening::Scale(service, replicas)),
        1 => (0..3usize, 0..3u8).prop_map(|(service, image)| Happening::Update(service, image)),
        1 => (0..3usize).prop_map(Happening::RollBack),
        1 => (0..3usize, any::<bool>()).prop_map(|(service, on)| Happening::Constrain(service, on)),
        1 => (0..3usize).prop_map(Happening::Remove),
        2 => (1..5u128, node_state).prop_map(|(node, state)| Happening::NodeState(node, state)),
        1 => (1..5u128, any::<bool>()).prop_map(|(node, on)| Happening::Drain(node, on)),
        3 => (0..20usize, end).prop_map(|(task, state)| Happening::TaskEnds(task, state)),
        4 => Just(Happening::Agents),
        2 => (1..70i64).prop_map(Happening::Time),
    ]
}

fn happen(bed: &mut Bed, services: &[ServiceId], what: Happening) {
    let service = |number: usize, bed: &Bed| {
        services
            .get(number)
            .copied()
            .filter(|id| bed.view().service(*id).is_some())
    };
    match what {
        Happening::Scale(number, replicas) => {
            if let Some(id) = service(number, bed) {
                bed.update(id, |spec| spec.mode = Mode::Replicated { replicas });
            }
        }
        Happening::Update(number, image) => {
            if let Some(id) = service(number, bed) {
                bed.update(id, |spec| spec.container.image = format!("image:{image}"));
            }
        }
        Happening::RollBack(number) => {
            if let Some(id) = service(number, bed) {
                // Refused where nothing was changed yet.
                drop(bed.roll_back(id));
            }
        }
        Happening::Constrain(number, on) => {
            if let Some(id) = service(number, bed) {
                let constraint = "node.hostname!=n1".parse().unwrap();
                bed.update(id, |spec| {
                    spec.placement.constraints = if on { vec![constraint] } else { Vec::new() }
                });
            }
        }
        Happening::Remove(number) => {
            if let Some(id) = service(number, bed) {
                let at = bed.now;
                bed.apply(Command::RemoveService { id, at }).unwrap();
            }
        }
        Happening::NodeState(node, state) => bed.node_status(node, state),
        Happening::Drain(node, on) => drain(bed, node, on),
        Happening::TaskEnds(number, state) => {
            let task = bed
                .view()
                .tasks()
                .nth(number)
                .map(|task| (task.id, task.node, task.status.state));
            if let Some((id, Some(_), before)) = task
                && !before.is_terminal()
            {
                bed.report(id, state);
            }
        }
        Happening::Agents => bed.agents(),
        Happening::Time(seconds) => bed.now.0 += seconds * SECOND,
    }
}

fn drain(bed: &mut Bed, node: u128, on: bool) {
    let node = bed.view().node(NodeId::from_bits(node)).unwrap().clone();
    let (id, version, at, mut spec) = (node.id, node.version, bed.now, node.spec);
    spec.availability = if on { Availability::Drain } else { Availability::Active };
    bed.apply(Command::UpdateNodeSpec { id, version, at, spec }).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_events_mark_is_all_that_is_to_be_done(steps in prop::collection::vec(happening(), 1..40)) {
        let mut bed = Bed::with_nodes(4);
        let host_port = |spec: &mut model::ServiceSpec| spec.ports = vec!["published=80,target=80,mode=host".parse().unwrap()];
        let start_first = |spec: &mut model::ServiceSpec| {
            let policy = UpdatePolicy { order: UpdateOrder::StartFirst, parallelism: 2, ..UpdatePolicy::default() };
            spec.rollback = Some(UpdatePolicy { delay: Duration::from_secs(3), ..policy });
            spec.update = Some(UpdatePolicy { failure_action: FailureAction::Rollback, ..policy });
        };
        let services = [bed.service("a", start_first), bed.service("b", host_port), bed.service("c", host_port)];
        let services = services.map(Result::unwrap);
        for step in steps {
            happen(&mut bed, &services, step.clone());
            bed.settle_dirty();
            let left = bed.settle();
            prop_assert_eq!(left, 0, "a pass over everything finds more after {:?}", step);
        }
        bed.now.0 += 100 * SECOND;
        prop_assert!(services.iter().all(|id| running(&bed, *id).len() <= 6));
    }
}
