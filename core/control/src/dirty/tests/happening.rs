//! What may happen to the cluster of these tests; numbers choose among what there is.

use model::{Availability, Mode, NodeId, NodeState, ServiceId, TaskState};
use proptest::prelude::*;
use store::Command;

use crate::testbed::{Bed, SECOND, node};

/// Nodes that there may be.
pub const NODES: u128 = 5;

#[derive(Clone, Debug)]
pub enum Happening {
    /// As many replicas or completions; where nodes decide, an update that replaces all.
    Scale(usize, u32),
    Update(usize, u8),
    RollBack(usize),
    Constrain(usize, bool),
    Remove(usize),
    NodeState(u128, NodeState),
    Drain(u128, bool),
    /// The label `disk`.
    Label(u128, bool),
    /// A node is removed, or joins.
    Seat(u128, bool),
    TaskEnds(usize, TaskState),
    Agents,
    Time(i64),
}

pub fn happening() -> impl Strategy<Value = Happening> {
    let node_state = prop_oneof![Just(NodeState::Down), Just(NodeState::Ready)];
    let end = prop_oneof![
        Just(TaskState::Failed),
        Just(TaskState::Complete),
        Just(TaskState::Rejected)
    ];
    let service = 0..5usize;
    let node = 1..=NODES;
    prop_oneof![
        3 => (service.clone(), 0..6u32).prop_map(|(service, replicas)| Happening::Scale(service, replicas)),
        1 => (service.clone(), 0..3u8).prop_map(|(service, image)| Happening::Update(service, image)),
        1 => (service.clone()).prop_map(Happening::RollBack),
        1 => (service.clone(), any::<bool>()).prop_map(|(service, on)| Happening::Constrain(service, on)),
        1 => (service).prop_map(Happening::Remove),
        2 => (node.clone(), node_state).prop_map(|(node, state)| Happening::NodeState(node, state)),
        1 => (node.clone(), any::<bool>()).prop_map(|(node, on)| Happening::Drain(node, on)),
        2 => (node, any::<bool>()).prop_map(|(node, on)| Happening::Label(node, on)),
        1 => (2..=NODES, any::<bool>()).prop_map(|(node, on)| Happening::Seat(node, on)),
        3 => (0..20usize, end).prop_map(|(task, state)| Happening::TaskEnds(task, state)),
        4 => Just(Happening::Agents),
        2 => (1..70i64).prop_map(Happening::Time),
    ]
}

fn scaled(mode: &mut Mode, count: u32) -> bool {
    match mode {
        Mode::Replicated { replicas } => *replicas = count,
        Mode::ReplicatedJob { total_completions, .. } => *total_completions = count,
        Mode::Global | Mode::GlobalJob => return false,
    }
    true
}

pub fn happen(bed: &mut Bed, services: &[ServiceId], what: Happening) {
    let service = |number: usize, bed: &Bed| {
        services
            .get(number)
            .copied()
            .filter(|id| bed.view().service(*id).is_some())
    };
    match what {
        Happening::Scale(number, count) => {
            if let Some(id) = service(number, bed) {
                bed.update(id, |spec| {
                    if !scaled(&mut spec.mode, count) {
                        spec.force_update += u64::from(count);
                    }
                });
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
        Happening::TaskEnds(number, state) => end(bed, number, state),
        Happening::Agents => bed.agents(),
        Happening::Time(seconds) => bed.now.0 += seconds * SECOND,
        of_node => happen_to_node(bed, of_node),
    }
}

fn end(bed: &mut Bed, number: usize, state: TaskState) {
    let task = bed.view().tasks().nth(number);
    let lives = task.filter(|task| task.node.is_some_and(|node| bed.view().node(node).is_some()));
    if let Some(task) = lives.filter(|task| !task.status.state.is_terminal()) {
        bed.report(task.id, state);
    }
}

fn happen_to_node(bed: &mut Bed, what: Happening) {
    let there = |bed: &Bed, node| bed.view().node(NodeId::from_bits(node)).is_some();
    match what {
        Happening::NodeState(node, state) if there(bed, node) => bed.node_status(node, state),
        Happening::Drain(node, on) if there(bed, node) => bed.node_spec(node, |spec| {
            spec.availability = if on { Availability::Drain } else { Availability::Active };
        }),
        Happening::Label(node, on) if there(bed, node) => bed.node_spec(node, |spec| {
            if on {
                spec.labels.insert("disk".to_owned(), "ssd".to_owned());
            } else {
                spec.labels.remove("disk");
            }
        }),
        Happening::Seat(number, true) if !there(bed, number) => {
            let node = node(number, &format!("n{number}"));
            bed.apply(Command::UpsertNode(Box::new(node))).unwrap();
        }
        Happening::Seat(node, false) if there(bed, node) => {
            let (id, at) = (NodeId::from_bits(node), bed.now);
            bed.apply(Command::RemoveNode { id, at, force: true }).unwrap();
        }
        _ => {}
    }
}
