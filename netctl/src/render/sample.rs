//! Objects that the renderers' tests print.

use model::*;

/// Nanoseconds per second.
pub const SECOND: i64 = 1_000_000_000;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub fn network() -> Network {
    Network {
        id: NetworkId::from_bits(1),
        version: 1,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        spec: NetworkSpec::named(name("blue")),
        vni: 4097.try_into().unwrap(),
        subnet: "10.1.0.0/24".parse().unwrap(),
        gateway: "10.1.0.1".parse().unwrap(),
    }
}

pub fn service() -> Service {
    let mut spec = ServiceSpec::new(name("web"), "web:1");
    spec.mode = Mode::Replicated { replicas: 3 };
    spec.ports = vec!["8080:80".parse().unwrap()];
    spec.networks = vec![NetworkAttachment {
        network: NetworkId::from_bits(1),
        aliases: Vec::new(),
    }];
    Service {
        id: ServiceId::from_bits(2),
        version: 9,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        spec,
        spec_version: 1,
        vips: vec![VirtualIp {
            network: NetworkId::from_bits(1),
            addr: "10.1.0.2".parse().unwrap(),
        }],
        ports: vec![PublishedPort {
            published: 8080,
            target: 80,
            protocol: Protocol::Tcp,
            mode: PublishMode::Ingress,
        }],
        previous: None,
        update_status: None,
        job_status: None,
        rebalance: None,
        canary: None,
        earlier_ports: Vec::new(),
    }
}

pub fn node(bits: u128, role: Role) -> Node {
    Node {
        id: NodeId::from_bits(bits),
        version: 1,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        spec: NodeSpec {
            role,
            availability: Availability::Active,
            labels: Default::default(),
        },
        description: Some(NodeDescription {
            hostname: format!("n{bits}"),
            os: "linux".into(),
            arch: "x86_64".into(),
            engine_version: "20.10.24".into(),
            engine_labels: Default::default(),
            nano_cpus: 2_000_000_000,
            memory_bytes: 1 << 30,
            vtep: "192.0.2.1".parse().unwrap(),
            underlay_mtu: 1500,
            taken_prefixes: Vec::new(),
            held_ports: Vec::new(),
            engine_error: String::new(),
            generic_resources: Vec::new(),
            plugins: Vec::new(),
        }),
        status: NodeStatus {
            state: NodeState::Ready,
            message: String::new(),
            addr: "192.0.2.1".parse().unwrap(),
        },
        manager_addr: (role == Role::Manager).then(|| "192.0.2.1:2377".parse().unwrap()),
        raft_id: None,
    }
}

pub fn task(bits: u128, slot: u32, created: i64, state: TaskState, desired: DesiredState) -> Task {
    let service = (ServiceId::from_bits(2), name("web"));
    let (slot, container) = (Slot::new(slot).unwrap(), ContainerSpec::of("web:1").into());
    let created = Timestamp(created);
    Task {
        version: 1,
        node: Some(NodeId::from_bits(1)),
        desired,
        status: TaskStatus {
            message: "started".into(),
            ..TaskStatus::of(state, created)
        },
        ..Task::new(TaskId::from_bits(bits << 80), service, slot, container, created)
    }
}
