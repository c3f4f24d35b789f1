//! A view with one task of service `web` on two networks, for this module's tests.

use std::num::NonZeroU32;

use model::{
    Attachment, ClusterId, ContainerSpec, DesiredState, NetworkId, NetworkView, NodeId, NodeView, ServiceId, Task,
    TaskId, TaskState, TaskStatus, Timestamp, Vni,
};

fn network(number: u128, subnet: &str, gateway: &str) -> NetworkView {
    NetworkView {
        id: NetworkId::from_bits(number),
        name: format!("net{number}").parse().unwrap(),
        vni: Vni::try_from(4096 + number as u32).unwrap(),
        subnet: subnet.parse().unwrap(),
        gateway: gateway.parse().unwrap(),
        internal: false,
        ingress: false,
    }
}

/// Two networks, no tasks.
pub fn view() -> NodeView {
    NodeView {
        seq: 1,
        cluster: ClusterId::from_bits(1),
        node: NodeId::from_bits(1),
        data_port: 4789,
        container_mtu: 1450,
        peers: vec![],
        networks: vec![
            network(1, "10.1.0.0/24", "10.1.0.1"),
            network(2, "10.1.1.0/24", "10.1.1.1"),
        ],
        tasks: vec![],
        endpoints: vec![],
        services: vec![],
        payloads: vec![],
    }
}

/// `web.1`, assigned and wanted running.
pub fn task(number: u128) -> Task {
    let attachment = |network, addr: &str| Attachment {
        network: NetworkId::from_bits(network),
        addr: addr.parse().unwrap(),
        aliases: vec![],
    };
    Task {
        id: TaskId::from_bits(number),
        version: 1,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        service: ServiceId::from_bits(1),
        service_name: "web".parse().unwrap(),
        slot: NonZeroU32::MIN,
        spec_version: 1,
        container: ContainerSpec::of("busybox").into(),
        node: Some(NodeId::from_bits(1)),
        attachments: vec![attachment(1, "10.1.0.5"), attachment(2, "10.1.1.5")],
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
