//! Services that have become uneven, and what it takes to even them out.

use model::{Availability, Mode, NodeId, ServiceId, ServiceSpec, TaskState, UpdateOrder, UpdatePolicy};

use super::*;
use crate::testbed::{Bed, running, tasks, web};

fn counts(bed: &Bed, service: ServiceId, nodes: u128) -> Vec<u32> {
    let count = |id| bed.view().load_of_service(service, NodeId::from_bits(id));
    (1..=nodes).map(count).collect()
}

/// All tasks on the first of these nodes; the others have only just come back.
fn uneven(nodes: u128, replicas: u32, change: impl FnOnce(&mut ServiceSpec)) -> (Bed, ServiceId) {
    let mut bed = Bed::with_nodes(nodes);
    for id in 2..=nodes {
        bed.node_spec(id, |spec| spec.availability = Availability::Drain);
    }
    let web = bed.service("web", |spec| {
        spec.mode = Mode::Replicated { replicas };
        change(spec);
    });
    bed.converge();
    for id in 2..=nodes {
        bed.node_spec(id, |spec| spec.availability = Availability::Active);
    }
    bed.converge();
    (bed, web.unwrap())
}

fn begin(bed: &mut Bed, web: ServiceId, budget: u32) -> u32 {
    let command = plan_rebalance_service(bed.view(), web, budget, bed.now).unwrap();
    bed.apply(command).unwrap();
    bed.view()
        .service(web)
        .unwrap()
        .rebalance
        .map_or(0, |rebalance| rebalance.left)
}

#[test]
fn only_as_many_tasks_move_as_have_to() {
    let (mut bed, web) = uneven(3, 6, |_| ());
    assert_eq!(counts(&bed, web, 3), [6, 0, 0], "nothing moves by itself");
    assert_eq!(begin(&mut bed, web, 2), 4);
    bed.settle_dirty();
    let stopping = tasks(&bed, web, |task| !task.is_live() && !task.status.state.is_terminal());
    assert_eq!(stopping.len(), 2, "two at a time");
    bed.converge();
    assert_eq!((counts(&bed, web, 3), running(&bed, web).len()), (vec![2, 2, 2], 6));
    assert_eq!(bed.view().service(web).unwrap().rebalance, None, "it is done");
    assert_eq!(begin(&mut bed, web, 1), 0);
    assert_eq!(bed.settle(), 0);
}

#[test]
fn start_first_has_the_new_one_run_before_another_stops() {
    let (mut bed, web) = uneven(2, 4, |spec| {
        spec.update = Some(UpdatePolicy {
            order: UpdateOrder::StartFirst,
            ..UpdatePolicy::default()
        });
    });
    assert_eq!(begin(&mut bed, web, 1), 2);
    for _ in 0..30 {
        bed.settle_dirty();
        let up = tasks(&bed, web, |task| {
            task.is_live() && task.status.state == TaskState::Running
        });
        assert!(up.len() >= 4, "never fewer than the replicas");
        bed.agents();
    }
    assert_eq!(bed.settle(), 0);
    assert_eq!((counts(&bed, web, 2), running(&bed, web).len()), (vec![2, 2], 4));
}

#[test]
fn preferences_are_evened_out_first() {
    for order in [UpdateOrder::StopFirst, UpdateOrder::StartFirst] {
        let (mut bed, web) = web(4, 0, |spec| {
            spec.placement.preferences = vec!["node.labels.zone".parse().unwrap()];
            spec.update = Some(UpdatePolicy {
                order,
                ..UpdatePolicy::default()
            });
        });
        for (id, zone) in [(1, "a"), (2, "a"), (3, "a"), (4, "b")] {
            bed.node_spec(id, |spec| drop(spec.labels.insert("zone".into(), zone.into())));
        }
        bed.node_spec(4, |spec| spec.availability = Availability::Drain);
        bed.update(web, |spec| spec.mode = Mode::Replicated { replicas: 6 });
        bed.converge();
        bed.node_spec(4, |spec| spec.availability = Availability::Active);
        assert_eq!(counts(&bed, web, 4), [2, 2, 2, 0]);
        assert_eq!(begin(&mut bed, web, 6), 3);
        bed.converge();
        assert_eq!(counts(&bed, web, 4), [1, 1, 1, 3], "{order:?}");
    }
}

#[test]
fn what_cannot_be_rebalanced_says_why() {
    let (bed, web) = web(1, 0, |spec| spec.mode = Mode::Global);
    let why = |budget| {
        plan_rebalance_service(bed.view(), web, budget, bed.now)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        why(1),
        "service web is a global service: only replicated services can be rebalanced"
    );
    let (bed, web) = crate::testbed::web(1, 1, |_| ());
    let why = plan_rebalance_service(bed.view(), web, 0, bed.now)
        .unwrap_err()
        .to_string();
    assert_eq!(
        why,
        "service web cannot be rebalanced with a budget of 0: must be at least 1"
    );
}
