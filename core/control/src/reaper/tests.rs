//! What may run keeps what it has, over any history.

use std::{collections::BTreeMap, time::Duration};

use model::{DesiredState, NetworkId, NodeId, RestartPolicy, ServiceId, Setback, Task, TaskId, TaskState};
use proptest::prelude::*;
use store::{AddressOwner, Command, TaskOp, View};

use crate::{
    history::{NODES, act, steps},
    testbed::{Bed, SECOND, running, tasks, web},
};

fn restless(replicas: u32) -> (Bed, ServiceId) {
    web(10, replicas, |spec| {
        spec.restart = Some(RestartPolicy {
            delay: Duration::ZERO,
            ..RestartPolicy::default()
        });
    })
}

#[test]
fn what_fails_again_and_again_does_not_pile_up() {
    let (mut bed, web) = restless(50);
    for round in 0..60 {
        bed.now.0 += 20 * SECOND;
        let up = tasks(&bed, web, |task| task.status.state == TaskState::Running);
        assert_eq!(up.len(), 50, "round {round}");
        up.iter().for_each(|task| bed.report(task.id, TaskState::Failed));
        bed.settle_dirty();
        assert!(bed.view().tasks().count() <= 50 * 6, "round {round}");
        bed.agents();
        bed.settle_dirty();
    }
    assert_eq!(bed.settle(), 0);
    assert_eq!((running(&bed, web).len(), bed.view().tasks().count()), (50, 50 * 5));
    assert!(bed.view().tasks().all(|task| task.setbacks.len() <= Setback::KEPT));
}

/// As after the history limit was lowered.
#[test]
fn of_a_hundred_thousand_ended_tasks_one_pass_keeps_the_history() {
    let (mut bed, web) = restless(50);
    let mut ended = tasks(&bed, web, |_| true);
    for task in &mut ended {
        (task.status.state, task.desired) = (TaskState::Failed, DesiredState::Shutdown);
        task.attachments.clear();
    }
    for round in 0..2000u128 {
        let copies = ended.iter().zip(0..).map(|(task, nth)| Task {
            id: TaskId::from_bits(1 << 64 | round << 32 | nth),
            ..task.clone()
        });
        let creates = copies.map(|task| TaskOp::Create(Box::new(task)));
        bed.apply(Command::Tasks(creates.collect())).unwrap();
    }
    assert_eq!(bed.view().tasks().count(), 50 * 2001);
    bed.settle_dirty();
    assert_eq!((running(&bed, web).len(), bed.view().tasks().count()), (50, 50 * 5));
}

/// Tasks that may run on a node of the cluster, as far as anybody knows, with their addresses.
fn may_run(view: &View) -> BTreeMap<TaskId, (NodeId, Vec<(NetworkId, std::net::IpAddr)>)> {
    let tasks = view.tasks().filter(|task| !task.status.state.is_terminal());
    let placed = tasks.filter_map(|task| {
        let addrs = task.attachments.iter().map(|a| (a.network, a.addr));
        Some((task.id, (task.node?, addrs.collect())))
    });
    placed.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn addresses_of_what_may_run_are_nobody_elses(history in prop::collection::vec(steps(), 1..60)) {
        let mut bed = Bed::with_nodes(NODES);
        for step in &history {
            let before = may_run(bed.view());
            act(&mut bed, step);
            let view = bed.view();
            for (id, (node, addrs)) in before {
                let ended = view.task(id).is_some_and(|task| task.status.state.is_terminal());
                let forgotten = view.task(id).is_none() && view.node(node).is_some();
                // The agents of one step report their tasks' ends, which the next pass may forget at once.
                prop_assert!(!forgotten || view.node(node).is_some_and(|n| n.status.state != model::NodeState::Down));
                if ended || view.task(id).is_none() {
                    continue;
                }
                for (network, addr) in addrs {
                    prop_assert_eq!(view.address_owner(network, addr), Some(AddressOwner::Task(id)));
                }
            }
            let networks: Vec<_> = view.networks().chain(view.resting_networks()).collect();
            for (n, one) in networks.iter().enumerate() {
                prop_assert!(networks[n + 1..].iter().all(|other| one.vni != other.vni));
            }
        }
    }
}
