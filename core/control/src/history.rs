//! What may happen to a small cluster, step by step.

use model::{
    Availability, Mode, NetworkAttachment, NetworkId, NodeId, NodeState, Payload, PayloadBytes, PayloadId, PayloadKind,
    PayloadRef, PayloadSpec, TaskState,
};
use proptest::prelude::*;
use store::{Command, NewPayload};

use crate::{plan_create_payload, plan_rotate_payload, testbed::Bed};

pub const NODES: u128 = 4;

#[derive(Clone, Debug)]
pub enum Step {
    Network(u8),
    Service {
        number: u8,
        networks: Vec<u8>,
        port: bool,
        replicas: u32,
    },
    Update {
        number: u8,
        networks: Vec<u8>,
        port: bool,
        replicas: u32,
    },
    RemoveService(u8),
    RemoveNetwork(u8),
    /// The secret is made, or rotated; services whose number of replicas is odd use it.
    Secret,
    Turn {
        node: u128,
        up: bool,
    },
    Drain {
        node: u128,
        drain: bool,
    },
    RemoveNode(u128),
    Settle,
    Agents,
    Fail,
    Complete,
    Read(u128),
    Reconnect(u128),
    NewLeader,
}

pub fn steps() -> impl Strategy<Value = Step> {
    let networks = || prop::collection::vec(0u8..3, 0..3);
    let service = (0u8..4, networks(), any::<bool>(), 0u32..4);
    let node = 1..=NODES;
    prop_oneof![
        1 => (0u8..3).prop_map(Step::Network),
        3 => service.clone().prop_map(|(number, networks, port, replicas)| Step::Service { number, networks, port, replicas }),
        2 => service.prop_map(|(number, networks, port, replicas)| Step::Update { number, networks, port, replicas }),
        1 => (0u8..4).prop_map(Step::RemoveService),
        1 => (0u8..3).prop_map(Step::RemoveNetwork),
        2 => Just(Step::Secret),
        2 => (node.clone(), any::<bool>()).prop_map(|(node, up)| Step::Turn { node, up }),
        1 => (node.clone(), any::<bool>()).prop_map(|(node, drain)| Step::Drain { node, drain }),
        1 => (2..=NODES).prop_map(Step::RemoveNode),
        4 => Just(Step::Settle),
        4 => Just(Step::Agents),
        1 => Just(Step::Fail),
        1 => Just(Step::Complete),
        4 => node.clone().prop_map(Step::Read),
        2 => node.prop_map(Step::Reconnect),
        1 => Just(Step::NewLeader),
    ]
}

fn network_id(bed: &Bed, number: u8) -> Option<NetworkId> {
    let name = format!("net{number}").parse().unwrap();
    bed.view().network_named(&name).map(|network| network.id)
}

fn attachments(bed: &Bed, networks: &[u8]) -> Vec<NetworkAttachment> {
    let mut numbers = networks.to_vec();
    numbers.sort_unstable();
    numbers.dedup();
    let known = numbers.iter().filter_map(|number| network_id(bed, *number));
    let attachment = |network| NetworkAttachment {
        network,
        aliases: vec!["alias".parse().unwrap()],
    };
    known.map(attachment).collect()
}

fn secret(bed: &Bed) -> Option<&Payload> {
    bed.view()
        .payload_named(PayloadKind::Secret, &"secret".parse().unwrap())
}

fn secrets(bed: &Bed, replicas: u32) -> Vec<PayloadRef> {
    let used = secret(bed).filter(|_| replicas % 2 == 1);
    used.map(|found| PayloadRef::of(found.id, found.spec.name.clone()))
        .into_iter()
        .collect()
}

fn turn_secret(bed: &mut Bed) {
    let id = PayloadId::from_bits(u128::from(bed.view().applied()));
    let (at, bytes) = (bed.now, PayloadBytes::new(b"bytes"));
    let command = match secret(bed) {
        Some(old) => plan_rotate_payload(bed.view(), old.id, id, at, bytes),
        None => {
            let spec = PayloadSpec {
                name: "secret".parse().unwrap(),
                labels: Default::default(),
                templated: false,
            };
            let kind = PayloadKind::Secret;
            let new = NewPayload {
                id,
                at,
                kind,
                spec,
                bytes,
            };
            plan_create_payload(bed.view(), new)
        }
    };
    bed.apply(command.unwrap()).unwrap();
}

/// Services `s2` are global ones, `s3` jobs.
fn mode(number: u8, replicas: u32) -> Mode {
    match number {
        2 => Mode::Global,
        3 => Mode::ReplicatedJob {
            max_concurrent: 2,
            total_completions: replicas,
        },
        _ => Mode::Replicated { replicas },
    }
}

/// A task that runs ends so.
fn end(bed: &mut Bed, state: TaskState) {
    let running = bed
        .view()
        .tasks()
        .find(|task| task.status.state == TaskState::Running)
        .map(|task| task.id);
    running.into_iter().for_each(|task| bed.report(task, state));
}

/// Does one step of the cluster; those that the state refuses change nothing.
pub fn act(bed: &mut Bed, step: &Step) {
    let named = |bed: &Bed, number: u8| {
        bed.view()
            .service_named(&format!("s{number}").parse().unwrap())
            .map(|s| s.id)
    };
    let port = |port: bool| port.then(|| "80".parse().unwrap()).into_iter().collect::<Vec<_>>();
    match step {
        Step::Network(number) => drop(bed.network(&format!("net{number}"), |_| ())),
        Step::Service {
            number,
            networks,
            port: publish,
            replicas,
        } => {
            let (attached, files) = (attachments(bed, networks), secrets(bed, *replicas));
            let made = bed.service(&format!("s{number}"), |spec| {
                spec.mode = mode(*number, *replicas);
                spec.networks = attached;
                spec.ports = port(*publish && !spec.mode.is_job());
                spec.container.secrets = files;
            });
            drop(made);
        }
        Step::Update {
            number,
            networks,
            port: publish,
            replicas,
        } => {
            let (attached, files) = (attachments(bed, networks), secrets(bed, *replicas));
            if let Some(id) = named(bed, *number) {
                bed.update(id, |spec| {
                    spec.mode = mode(*number, *replicas);
                    spec.networks = attached;
                    spec.ports = port(*publish && !spec.mode.is_job());
                    spec.container.secrets = files;
                });
            }
        }
        Step::RemoveService(number) => {
            if let Some(id) = named(bed, *number) {
                let at = bed.now;
                bed.apply(Command::RemoveService { id, at }).unwrap();
            }
        }
        Step::RemoveNetwork(number) => {
            if let Some(id) = network_id(bed, *number) {
                drop(bed.apply(Command::RemoveNetwork { id }));
            }
        }
        Step::Secret => turn_secret(bed),
        Step::Turn { node, up } if bed.view().node(NodeId::from_bits(*node)).is_some() => {
            bed.node_status(*node, if *up { NodeState::Ready } else { NodeState::Down });
        }
        Step::Drain { node, drain } => {
            if let Some(node) = bed.view().node(NodeId::from_bits(*node)).cloned() {
                let (id, version, at, mut spec) = (node.id, node.version, bed.now, node.spec);
                spec.availability = if *drain {
                    Availability::Drain
                } else {
                    Availability::Active
                };
                bed.apply(Command::UpdateNodeSpec { id, version, at, spec }).unwrap();
            }
        }
        Step::RemoveNode(node) => {
            let (id, at) = (NodeId::from_bits(*node), bed.now);
            drop(bed.apply(Command::RemoveNode { id, at, force: true }));
        }
        Step::Settle => drop(bed.settle()),
        Step::Agents => bed.agents(),
        Step::Fail => end(bed, TaskState::Failed),
        Step::Complete => end(bed, TaskState::Complete),
        Step::Turn { .. } | Step::Read(_) | Step::Reconnect(_) | Step::NewLeader => {}
    }
}
