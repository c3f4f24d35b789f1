//! Which of several nodes: preferences, failures.

use std::{collections::BTreeMap, time::Duration};

use model::{Mode, NodeId, RestartPolicy, ServiceId, Task, TaskState};

use crate::testbed::{Bed, SECOND, tasks, web};

/// Nodes 1..=n with these labels (`key=value`, separated by spaces).
fn labelled(nodes: &[&str]) -> Bed {
    let mut bed = Bed::with_nodes(nodes.len() as u128);
    for (id, labels) in (1..).zip(nodes) {
        let labels = labels.split_whitespace().map(|label| label.split_once('=').unwrap());
        let labels: BTreeMap<String, String> = labels.map(|(key, value)| (key.into(), value.into())).collect();
        bed.node_spec(id, |spec| spec.labels = labels);
    }
    bed
}

fn spread(bed: &mut Bed, replicas: u32, over: &[&str]) -> ServiceId {
    let made = bed.service("web", |spec| {
        spec.mode = Mode::Replicated { replicas };
        spec.placement.preferences = over.iter().map(|over| over.parse().unwrap()).collect();
    });
    bed.converge();
    made.unwrap()
}

/// Tasks of each node, in the order of ids.
fn counts(bed: &Bed, service: ServiceId, nodes: u128) -> Vec<u32> {
    let count = |id| bed.view().load_of_service(service, NodeId::from_bits(id));
    (1..=nodes).map(count).collect()
}

#[test]
fn tasks_are_spread_over_the_values_of_a_label_before_nodes() {
    let mut bed = labelled(&["zone=a", "zone=a", "zone=a", "zone=b"]);
    let web = spread(&mut bed, 6, &["node.labels.zone"]);
    assert_eq!(counts(&bed, web, 4), [1, 1, 1, 3]);
}

#[test]
fn a_node_without_the_label_is_in_a_branch_of_its_own() {
    let mut bed = labelled(&["zone=a", "zone=a", ""]);
    let web = spread(&mut bed, 4, &["node.labels.zone"]);
    assert_eq!(counts(&bed, web, 3), [1, 1, 2]);
}

#[test]
fn levels_are_balanced_one_below_the_other() {
    let mut bed = labelled(&["zone=a rack=1", "zone=a rack=1", "zone=a rack=2", "zone=b rack=1"]);
    let web = spread(&mut bed, 8, &["node.labels.zone", "node.labels.rack"]);
    assert_eq!(counts(&bed, web, 4), [1, 1, 2, 4]);
}

#[test]
fn a_branch_that_is_full_leaves_its_share_to_the_others() {
    let mut bed = labelled(&["zone=a", "zone=a", "zone=b"]);
    let web = bed.service("web", |spec| {
        spec.mode = Mode::Replicated { replicas: 6 };
        spec.placement.preferences = vec!["node.labels.zone".parse().unwrap()];
        spec.placement.max_replicas = 2;
    });
    let web = web.unwrap();
    bed.converge();
    assert_eq!(counts(&bed, web, 3), [2, 2, 2]);
}

/// The service's only task fails; where the next one is.
fn fail(bed: &mut Bed, web: ServiceId) -> u128 {
    let task = tasks(bed, web, Task::is_live)[0].id;
    bed.now.0 += SECOND;
    bed.report(task, TaskState::Failed);
    bed.converge();
    let next = tasks(bed, web, Task::is_live)[0].clone();
    next.node.unwrap().bits()
}

#[test]
fn a_node_on_which_a_service_fails_again_and_again_comes_last() {
    let (mut bed, web) = web(2, 1, |spec| {
        spec.restart = Some(RestartPolicy {
            delay: Duration::ZERO,
            ..RestartPolicy::default()
        });
    });
    let next: Vec<u128> = (0..5).map(|_| fail(&mut bed, web)).collect();
    assert_eq!(next, [1, 1, 1, 1, 2], "five failures weigh");
    let other = bed.service("other", |_| ()).unwrap();
    bed.converge();
    assert_eq!(
        tasks(&bed, other, |_| true)[0].node,
        Some(NodeId::from_bits(1)),
        "of this service only"
    );
    bed.update(web, |spec| spec.container.image = "image:2".into());
    bed.converge();
    bed.node_spec(2, |spec| spec.availability = model::Availability::Drain);
    bed.converge();
    assert_eq!(counts(&bed, web, 2), [1, 0]);
}

#[test]
fn failures_are_forgotten_after_five_minutes() {
    let (mut bed, web) = web(2, 1, |spec| {
        spec.restart = Some(RestartPolicy {
            delay: Duration::ZERO,
            ..RestartPolicy::default()
        });
    });
    for _ in 0..4 {
        fail(&mut bed, web);
    }
    bed.now.0 += 300 * SECOND;
    assert_eq!(fail(&mut bed, web), 1, "the first ones are too long ago");
}
