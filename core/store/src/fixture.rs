//! Objects, commands and a small state for the unit tests of this crate.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use model::{
    Attachment, Availability, ContainerSpec, NetworkId, NetworkSpec, Node, NodeId, NodeSpec, NodeState, NodeStatus,
    PublishMode, PublishedPort, RequestId, Role, ServiceId, ServiceSpec, Slot, Task, TaskId, TaskState, TaskStatus,
    Timestamp, VirtualIp, Vni,
};

use crate::{Command, Entry, NewNetwork, NewService, Refused, State, StatusReport, TaskOp};

pub(crate) const AT: Timestamp = Timestamp(1_000);

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn network(id: u128, name: &str, vni: u32, subnet: &str, gateway: &str) -> Command {
    Command::CreateNetwork(Box::new(NewNetwork {
        id: NetworkId::from_bits(id),
        at: AT,
        spec: NetworkSpec::named(name.parse().unwrap()),
        vni: Vni::try_from(vni).unwrap(),
        subnet: subnet.parse().unwrap(),
        gateway: ip(gateway),
    }))
}

pub(crate) fn service(id: u128, name: &str, vip: Option<&str>, port: Option<(u16, PublishMode)>) -> Command {
    let vip = vip.map(|addr| VirtualIp {
        network: NetworkId::from_bits(1),
        addr: ip(addr),
    });
    let port = port.map(|(published, mode)| {
        let (target, protocol) = (80, model::Protocol::Tcp);
        PublishedPort {
            published,
            target,
            protocol,
            mode,
        }
    });
    Command::CreateService(Box::new(NewService {
        id: ServiceId::from_bits(id),
        at: AT,
        spec: ServiceSpec::new(name.parse().unwrap(), "image"),
        vips: vip.into_iter().collect(),
        ports: port.into_iter().collect(),
    }))
}

pub(crate) fn node(id: u128, raft_id: Option<u64>) -> Node {
    Node {
        id: NodeId::from_bits(id),
        version: 0,
        created_at: AT,
        updated_at: AT,
        spec: NodeSpec {
            role: Role::Worker,
            availability: Availability::Active,
            labels: BTreeMap::new(),
        },
        description: None,
        status: NodeStatus {
            state: NodeState::Ready,
            message: String::new(),
            addr: ip("192.168.0.1"),
        },
        manager_addr: None,
        raft_id,
    }
}

pub(crate) fn status(state: TaskState, at: i64) -> TaskStatus {
    TaskStatus::of(state, Timestamp(at))
}

pub(crate) fn task(id: u128) -> Task {
    let service = (ServiceId::from_bits(1), "web".parse().unwrap());
    let container = Arc::new(ContainerSpec::of("image"));
    Task {
        status: status(TaskState::New, 1_000),
        ..Task::new(TaskId::from_bits(id), service, Slot::MIN, container, AT)
    }
}

pub(crate) fn allocate(id: u128, addr: &str) -> Command {
    let attachment = Attachment {
        network: NetworkId::from_bits(1),
        addr: ip(addr),
        aliases: Vec::new(),
    };
    let task = TaskId::from_bits(id);
    Command::Tasks(vec![TaskOp::Allocate {
        task,
        at: AT,
        attachments: vec![attachment],
    }])
}

pub(crate) fn assign(id: u128, node: u128) -> Command {
    let (task, node) = (TaskId::from_bits(id), NodeId::from_bits(node));
    Command::Tasks(vec![TaskOp::Assign {
        task,
        at: AT,
        node,
        generic_resources: Vec::new(),
        host_ports: Vec::new(),
    }])
}

pub(crate) fn report(node: u128, id: u128, state: TaskState, at: i64) -> Command {
    let (node, task) = (NodeId::from_bits(node), TaskId::from_bits(id));
    let report = StatusReport {
        node,
        task,
        status: status(state, at),
        heard: None,
    };
    Command::Tasks(vec![TaskOp::Report(Box::new(report))])
}

pub(crate) fn apply(state: &mut State, command: Command) -> Result<usize, Refused> {
    let index = state.applied() + 1;
    let request = RequestId::from_bits(u128::from(index));
    state
        .apply(index, Entry { request, command })
        .map(|events| events.len())
}

/// One network 10.1.0.0/24, one node, one service with a virtual IP, one assigned task.
pub(crate) fn state() -> State {
    let mut state = State::default();
    for command in [
        network(1, "blue", 4096, "10.1.0.0/24", "10.1.0.1"),
        Command::UpsertNode(Box::new(node(1, Some(1)))),
        service(1, "web", Some("10.1.0.2"), Some((8080, PublishMode::Ingress))),
        Command::Tasks(vec![TaskOp::Create(Box::new(task(1)))]),
        allocate(1, "10.1.0.3"),
        assign(1, 1),
    ] {
        apply(&mut state, command).unwrap();
    }
    state
}
