//! What may run keeps what it has, over any history.

use std::{collections::BTreeMap, time::Duration};

use model::{NetworkId, NodeId, RestartPolicy, Setback, TaskId, TaskState};
use proptest::prelude::*;
use store::{AddressOwner, View};

use crate::{
    history::{NODES, act, steps},
    testbed::{Bed, SECOND, running, tasks, web},
};

/// What is kept of 100,000 tasks that have ended is what the history allows of each slot, and a few numbers in each task.
#[test]
fn what_has_ended_does_not_pile_up() {
    let (mut bed, web) = web(10, 200, |spec| {
        spec.restart = Some(RestartPolicy {
            delay: Duration::ZERO,
            ..RestartPolicy::default()
        });
    });
    for round in 0..500 {
        bed.now.0 += 20 * SECOND;
        let up = tasks(&bed, web, |task| task.status.state == TaskState::Running);
        assert_eq!(up.len(), 200, "round {round}");
        up.iter().for_each(|task| bed.report(task.id, TaskState::Failed));
        bed.settle_dirty();
        assert!(bed.view().tasks().count() <= 200 * 6, "round {round}");
        bed.agents();
        bed.settle_dirty();
    }
    assert_eq!(bed.settle(), 0);
    assert_eq!((running(&bed, web).len(), bed.view().tasks().count()), (200, 200 * 5));
    assert!(bed.view().tasks().all(|task| task.setbacks.len() <= Setback::KEPT));
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
