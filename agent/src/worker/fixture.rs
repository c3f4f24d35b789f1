//! A node's view with tasks of one service, for tests.

use std::num::NonZeroU32;

use model::{
    Attachment, ClusterId, ContainerSpec, EndpointView, NetworkId, NetworkView, NodeId, NodeView, PayloadBytes,
    PayloadId, PayloadKind, PayloadRef, PayloadView, ServiceId, Task, TaskId, TaskState, TaskStatus, Timestamp, Vni,
};

/// Task `number`, slot `number`, on network 1.
pub fn task(number: u32) -> Task {
    let id = TaskId::from_bits(number.into());
    let service = (ServiceId::from_bits(1), "web".parse().unwrap());
    let (slot, container) = (NonZeroU32::new(number).unwrap(), ContainerSpec::of("busybox").into());
    Task {
        node: Some(NodeId::from_bits(1)),
        attachments: vec![Attachment {
            network: NetworkId::from_bits(1),
            addr: format!("10.1.0.{}", number + 4).parse().unwrap(),
            aliases: vec![],
        }],
        status: TaskStatus::of(TaskState::Assigned, Timestamp(0)),
        ..Task::new(id, service, slot, container, Timestamp(0))
    }
}

/// A view with these tasks, all serving.
pub fn view(tasks: &[u32]) -> NodeView {
    let tasks: Vec<Task> = tasks.iter().copied().map(task).collect();
    let endpoints = tasks.iter().map(|task| EndpointView {
        task: task.id,
        service: task.service,
        slot: task.slot,
        network: task.attachments[0].network,
        addr: task.attachments[0].addr,
        node: NodeId::from_bits(1),
        gateway: true,
        serving: true,
        spec_version: task.spec_version,
    });
    NodeView {
        seq: 1,
        cluster: ClusterId::from_bits(1),
        node: NodeId::from_bits(1),
        data_port: 4789,
        container_mtu: 1450,
        peers: vec![],
        networks: vec![NetworkView {
            id: NetworkId::from_bits(1),
            name: "blue".parse().unwrap(),
            vni: Vni::try_from(4097).unwrap(),
            subnet: "10.1.0.0/24".parse().unwrap(),
            gateway: "10.1.0.1".parse().unwrap(),
            internal: false,
            ingress: false,
        }],
        endpoints: endpoints.collect(),
        services: vec![],
        payloads: vec![],
        tasks,
    }
}

/// Gives the first task of a view a secret `db`.
pub fn give_secret(view: &mut NodeView, bytes: &[u8]) {
    let id = PayloadId::from_bits(7);
    let container = std::sync::Arc::make_mut(&mut view.tasks[0].container);
    let file = PayloadRef::of(id, "db".parse().unwrap());
    container.secrets = vec![PayloadRef {
        uid: nix::unistd::getuid().to_string(),
        gid: nix::unistd::getgid().to_string(),
        ..file
    }];
    view.payloads = vec![PayloadView {
        id,
        kind: PayloadKind::Secret,
        templated: false,
        bytes: PayloadBytes::new(bytes),
    }];
}
