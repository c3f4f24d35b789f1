//! A node's view with tasks of one service, for tests.

use std::num::NonZeroU32;

use model::{
    Attachment, ClusterId, ContainerSpec, DesiredState, EndpointView, NetworkId, NetworkView, NodeId, NodeView,
    PayloadBytes, PayloadId, PayloadKind, PayloadRef, PayloadView, ServiceId, Task, TaskId, TaskState, TaskStatus,
    Timestamp, Vni,
};

/// Task `number`, slot `number`, on network 1.
pub fn task(number: u32) -> Task {
    Task {
        id: TaskId::from_bits(number.into()),
        version: 1,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        service: ServiceId::from_bits(1),
        service_name: "web".parse().unwrap(),
        slot: NonZeroU32::new(number).unwrap(),
        spec_version: 1,
        container: ContainerSpec::of("busybox").into(),
        node: Some(NodeId::from_bits(1)),
        attachments: vec![Attachment {
            network: NetworkId::from_bits(1),
            addr: format!("10.1.0.{}", number + 4).parse().unwrap(),
            aliases: vec![],
        }],
        desired: DesiredState::Running,
        not_before: None,
        status: TaskStatus {
            state: TaskState::Assigned,
            at: Timestamp(0),
            message: String::new(),
            err: String::new(),
            container: None,
            exit_code: None,
            engine_restarted: false,
            not_ready: false,
        },
        pinned: None,
        job_iteration: None,
        generic_resources: Vec::new(),
        host_ports: Vec::new(),
        setbacks: Vec::new(),
        service_labels: std::sync::Arc::default(),
        running_since: None,
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
