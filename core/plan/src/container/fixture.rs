//! A view with one task of service `web` on two networks, for this module's tests.

use std::num::NonZeroU32;

use model::{
    Attachment, ClusterId, ContainerSpec, NetworkId, NetworkView, NodeId, NodeView, ServiceId, Task, TaskId, TaskState,
    TaskStatus, Timestamp, Vni,
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
    let service = (ServiceId::from_bits(1), "web".parse().unwrap());
    let container = ContainerSpec::of("busybox").into();
    Task {
        node: Some(NodeId::from_bits(1)),
        attachments: vec![attachment(1, "10.1.0.5"), attachment(2, "10.1.1.5")],
        status: TaskStatus::of(TaskState::Assigned, Timestamp(0)),
        ..Task::new(
            TaskId::from_bits(number),
            service,
            NonZeroU32::MIN,
            container,
            Timestamp(0),
        )
    }
}
