//! Every object of the model survives the way over the wire unchanged, and faulty messages name their field.

#![allow(clippy::unwrap_used, reason = "a test file")]

use std::{fmt::Debug, sync::Arc, time::Duration};

use model::*;
use wire::{WireError, pb};

fn survives<M, P>(value: M)
where
    M: Clone + Debug + PartialEq + TryFrom<P, Error = WireError>,
    P: From<M>,
{
    assert_eq!(M::try_from(P::from(value.clone())), Ok(value));
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn full_spec() -> ServiceSpec {
    let mut spec = ServiceSpec::new(name("web"), "registry:5000/web:1");
    spec.labels.insert("tier".into(), "front".into());
    spec.container.command = vec!["/bin/sh".into()];
    spec.container.args = vec!["-c".into(), "true".into()];
    spec.container.env = vec!["A=b".into()];
    spec.container.labels.insert("x".into(), String::new());
    spec.container.hostname = Some("h".into());
    spec.container.dir = Some("/tmp".into());
    spec.container.user = Some("1000".into());
    spec.container.stop_grace = Some(Duration::from_millis(1500));
    spec.container.registry_auth = Some("e30=".into());
    spec.mode = Mode::Replicated { replicas: 3 };
    spec.placement.constraints = vec!["node.role!=manager".parse().unwrap()];
    spec.restart = Some(RestartPolicy {
        condition: RestartCondition::OnFailure,
        delay: Duration::from_nanos(7),
        max_attempts: 2,
        window: Duration::from_secs(60),
    });
    spec.networks = vec![NetworkAttachment {
        network: NetworkId::from_bits(1),
        aliases: vec![name("www")],
    }];
    spec.ports = vec!["8080:80".parse().unwrap(), "53/udp".parse().unwrap()];
    spec.placement.preferences = vec![
        "node.labels.rack".parse().unwrap(),
        "engine.labels.zone".parse().unwrap(),
    ];
    spec.placement.max_replicas = 2;
    spec.placement.platforms = vec![Platform {
        os: "linux".into(),
        arch: "arm64".into(),
    }];
    spec.update = Some(UpdatePolicy {
        parallelism: 0,
        delay: Duration::from_secs(2),
        failure_action: FailureAction::Rollback,
        monitor: Duration::from_secs(3),
        max_failure_ratio: Ratio::new(250_000).unwrap(),
        order: UpdateOrder::StartFirst,
    });
    spec.rollback = Some(UpdatePolicy::default());
    spec.force_update = 7;
    equip(&mut spec.container);
    spec
}

/// Sets everything of a container that is not set yet.
fn equip(container: &mut ContainerSpec) {
    container.pull = PullPolicy::Always;
    container.groups = vec!["audio".into()];
    container.hosts = vec!["192.0.2.9 db db.example".into()];
    container.dns = DnsConfig {
        nameservers: vec!["192.0.2.53".parse().unwrap()],
        search: vec!["example".into()],
        options: vec!["ndots:1".into()],
    };
    (container.tty, container.open_stdin, container.init, container.read_only) = (true, true, Some(false), true);
    container.stop_signal = Some("SIGQUIT".into());
    container.cap_add = vec!["CAP_NET_ADMIN".into()];
    container.cap_drop = vec!["ALL".into()];
    container.sysctls = [("net.core.somaxconn".to_owned(), "1024".to_owned())].into();
    container.ulimits = [("nofile".to_owned(), Ulimit { soft: 1, hard: -1 })].into();
    container.oom_score_adj = -5;
    container.privileged = true;
    container.devices = vec![Device {
        host: "/dev/fuse".into(),
        container: "/dev/fuse".into(),
        permissions: "rw".into(),
    }];
    container.mounts = mounts();
    container.secrets = vec![PayloadRef::of(PayloadId::from_bits(7), name("password"))];
    container.configs = vec![PayloadRef {
        target: "/etc/app.toml".into(),
        mode: 0o400,
        ..PayloadRef::of(PayloadId::from_bits(8), name("app"))
    }];
    container.resources = Resources {
        limits: Limits {
            nano_cpus: 500_000_000,
            memory_bytes: 64 << 20,
            pids: 100,
        },
        reservations: Reservations {
            nano_cpus: 1,
            memory_bytes: 2,
            generic: vec!["gpu=2".parse().unwrap()],
        },
        memory_swap: Some(-1),
        memory_swappiness: Some(10),
    };
    container.log_driver = Some(driver());
    container.health = Some(HealthCheck {
        test: HealthTest::None,
        interval: Some(Duration::from_secs(1)),
        timeout: None,
        retries: Some(3),
        start_period: Some(Duration::ZERO),
        start_interval: None,
    });
    container.probe = Some(Probe::of("http://:80/healthz".parse().unwrap()));
    container.ready_command = vec!["true".into()];
}

fn driver() -> Driver {
    Driver {
        name: "local".into(),
        options: [("max-size".to_owned(), "1m".to_owned())].into(),
    }
}

fn mounts() -> Vec<Mount> {
    let kinds = [
        MountKind::Bind {
            propagation: Some(Propagation::Rshared),
            non_recursive: true,
            create_host_path: true,
        },
        MountKind::Volume {
            no_copy: true,
            labels: [("a".to_owned(), "b".to_owned())].into(),
            driver: Some(driver()),
            subpath: "part".into(),
        },
        MountKind::Tmpfs {
            size_bytes: 1 << 20,
            mode: 0o700,
        },
        MountKind::Image { subpath: String::new() },
    ];
    let mount = |(at, kind): (usize, MountKind)| Mount {
        source: if matches!(kind, MountKind::Tmpfs { .. }) {
            ""
        } else {
            "/srv"
        }
        .into(),
        target: format!("/mnt/{at}"),
        read_only: at == 0,
        kind,
    };
    kinds.into_iter().enumerate().map(mount).collect()
}

fn vip() -> VirtualIp {
    VirtualIp {
        network: NetworkId::from_bits(1),
        addr: "10.1.0.2".parse().unwrap(),
    }
}

fn published() -> PublishedPort {
    PublishedPort {
        published: 8080,
        target: 80,
        protocol: Protocol::Tcp,
        mode: PublishMode::Ingress,
    }
}

fn earlier_ports() -> Vec<EarlierPorts> {
    vec![EarlierPorts {
        spec_version: 3,
        ports: vec![published()],
    }]
}

fn service() -> Service {
    Service {
        id: ServiceId::from_bits(2),
        version: 9,
        created_at: Timestamp(1),
        updated_at: Timestamp(-2),
        spec: full_spec(),
        spec_version: 4,
        vips: vec![vip()],
        ports: vec![published()],
        earlier_ports: earlier_ports(),
        previous: Some(Box::new(PreviousSpec {
            spec: ServiceSpec::new(name("web"), "web:0"),
            spec_version: 3,
        })),
        update_status: Some(UpdateStatus {
            state: UpdateState::RollbackPaused,
            started_at: Timestamp(3),
            completed_at: Some(Timestamp(4)),
            message: "update paused".into(),
        }),
        job_status: Some(JobStatus {
            iteration: 2,
            last_execution: Timestamp(9),
            runs: vec![JobRun {
                iteration: 1,
                began_at: Timestamp(7),
                ended_at: Timestamp(8),
                outcome: RunOutcome::Failed,
            }],
        }),
        rebalance: Some(Rebalance {
            budget: 1,
            left: 2,
            extra: 3,
        }),
        canary: Some(Canary::new(Ratio::new(990_000).unwrap(), 4).unwrap()),
    }
}

fn task(state: TaskState, node: Option<NodeId>) -> Task {
    Task {
        id: TaskId::from_bits(u128::MAX),
        version: 1,
        created_at: Timestamp(5),
        updated_at: Timestamp(6),
        service: ServiceId::from_bits(2),
        service_name: name("web"),
        slot: Slot::new(3).unwrap(),
        spec_version: 4,
        container: full_spec().container.into(),
        node,
        attachments: vec![Attachment {
            network: NetworkId::from_bits(1),
            addr: "fd00::3".parse().unwrap(),
            aliases: Vec::new(),
        }],
        desired: DesiredState::Shutdown,
        not_before: node.map(|_| Timestamp(7)),
        status: TaskStatus {
            state,
            at: Timestamp(8),
            message: "started".into(),
            err: "none".into(),
            container: node.map(|_| "abc".to_owned()),
            exit_code: node.map(|_| -1),
            engine_restarted: node.is_some(),
            not_ready: node.is_some(),
        },
        pinned: node,
        job_iteration: node.map(|_| 2),
        generic_resources: vec!["gpu=2".parse().unwrap(), "gpu=uuid1".parse().unwrap()],
        host_ports: vec![published()],
        setbacks: node
            .map(|node| Setback {
                node,
                at: Timestamp(10),
                at_once: true,
            })
            .into_iter()
            .collect(),
        service_labels: Arc::new([("tier".to_owned(), "front".to_owned())].into()),
        running_since: Some(Timestamp(11)),
    }
}

fn node(description: Option<NodeDescription>) -> Node {
    let manager = description.is_some();
    Node {
        id: NodeId::from_bits(3),
        version: 2,
        created_at: Timestamp(1),
        updated_at: Timestamp(2),
        spec: NodeSpec {
            role: Role::Manager,
            availability: Availability::Drain,
            labels: [("disk".to_owned(), "ssd".to_owned())].into(),
        },
        description,
        status: NodeStatus {
            state: NodeState::Down,
            message: "left".into(),
            addr: "192.0.2.1".parse().unwrap(),
        },
        manager_addr: manager.then(|| "192.0.2.1:2377".parse().unwrap()),
        raft_id: manager.then_some(1),
    }
}

fn description() -> NodeDescription {
    NodeDescription {
        hostname: "n1".into(),
        os: "linux".into(),
        arch: "x86_64".into(),
        engine_version: "20.10".into(),
        engine_labels: [("a".to_owned(), "b".to_owned())].into(),
        nano_cpus: 2_000_000_000,
        memory_bytes: 1 << 34,
        vtep: "192.0.2.1".parse().unwrap(),
        underlay_mtu: 1500,
        taken_prefixes: vec!["192.0.2.0/24".parse().unwrap()],
        held_ports: vec![HeldPort {
            port: 22,
            protocol: Protocol::Tcp,
            holder: "sshd".into(),
        }],
        engine_error: "the container engine does not answer".into(),
        generic_resources: vec!["gpu=4".parse().unwrap()],
        plugins: vec!["Log/json-file".into()],
    }
}

fn view() -> NodeView {
    NodeView {
        seq: 12,
        cluster: ClusterId::from_bits(4),
        node: NodeId::from_bits(3),
        data_port: 4789,
        container_mtu: 1450,
        peers: vec![PeerView {
            node: NodeId::from_bits(3),
            hostname: "n1".into(),
            vtep: "192.0.2.1".parse().unwrap(),
        }],
        networks: vec![NetworkView {
            id: NetworkId::from_bits(1),
            name: name("blue"),
            vni: 4097.try_into().unwrap(),
            subnet: "10.1.0.0/24".parse().unwrap(),
            gateway: "10.1.0.1".parse().unwrap(),
            internal: true,
            ingress: false,
        }],
        tasks: vec![task(TaskState::Assigned, Some(NodeId::from_bits(3)))],
        endpoints: vec![EndpointView {
            task: TaskId::from_bits(9),
            service: ServiceId::from_bits(2),
            slot: Slot::MIN,
            network: NetworkId::from_bits(1),
            addr: "10.1.0.3".parse().unwrap(),
            node: NodeId::from_bits(3),
            gateway: true,
            serving: true,
            spec_version: 4,
        }],
        services: vec![ServiceView {
            id: ServiceId::from_bits(2),
            name: name("web"),
            vips: vec![vip()],
            aliases: vec![(NetworkId::from_bits(1), name("www"))],
            restart: Some(RestartPolicy::default()),
            ports: vec![published()],
            canary: Some(Canary::new(Ratio::new(100_000).unwrap(), 4).unwrap()),
            earlier_ports: earlier_ports(),
        }],
        payloads: vec![PayloadView {
            id: PayloadId::from_bits(5),
            kind: PayloadKind::Secret,
            templated: true,
            bytes: PayloadBytes::new(&[0, 255]),
        }],
    }
}

#[test]
fn services_survive() {
    survives::<_, pb::Service>(service());
    survives::<_, pb::ServiceSpec>(ServiceSpec::new(name("w"), "busybox"));
}

#[test]
fn every_mode_survives() {
    survives::<_, pb::Schedule>(Schedule {
        zone: "Europe/Berlin".to_owned(),
        overlap: Overlap::Replace,
        ..Schedule::of("0 3 * * *")
    });
    let modes = [
        Mode::Global,
        Mode::GlobalJob,
        Mode::ReplicatedJob {
            max_concurrent: 2,
            total_completions: 5,
        },
    ];
    for mode in modes {
        let mut spec = ServiceSpec::new(name("w"), "busybox");
        spec.mode = mode;
        survives::<_, pb::ServiceSpec>(spec);
    }
}

#[test]
fn tasks_survive_in_every_state() {
    for state in TaskState::ALL {
        survives::<_, pb::Task>(task(state, None));
        survives::<_, pb::Task>(task(state, Some(NodeId::from_bits(3))));
    }
}

#[test]
fn nodes_survive_before_and_after_their_first_session() {
    survives::<_, pb::Node>(node(None));
    survives::<_, pb::Node>(node(Some(description())));
}

#[test]
fn node_views_survive() {
    survives::<_, pb::NodeView>(view());
}

#[test]
fn deltas_survive() {
    let empty = NodeView {
        seq: 11,
        peers: Vec::new(),
        networks: Vec::new(),
        tasks: Vec::new(),
        endpoints: Vec::new(),
        services: Vec::new(),
        payloads: Vec::new(),
        ..view()
    };
    let mut delta = ViewDelta::between(&empty, &view());
    delta.cleared = vec![NetworkId::from_bits(1)];
    assert_eq!(delta.rows(), 7);
    survives::<_, pb::ViewDelta>(delta);
    survives::<_, pb::ViewDelta>(ViewDelta::between(&view(), &empty));
}

#[test]
fn bytes_of_secrets_are_neither_told_nor_shown() {
    let payload = |kind| {
        pb::Payload::from(Payload {
            id: PayloadId::from_bits(5),
            version: 1,
            created_at: Timestamp(1),
            updated_at: Timestamp(2),
            kind,
            spec: PayloadSpec {
                name: name("db"),
                labels: [("a".to_owned(), "b".to_owned())].into(),
                templated: false,
            },
            generation: 1,
            superseded: false,
            bytes: PayloadBytes::new(b"canary"),
        })
    };
    assert_eq!(payload(PayloadKind::Secret).data, b"");
    assert_eq!(payload(PayloadKind::Config).data, b"canary");
    let node = pb::NodeView::from(view());
    assert!(format!("{node:?}").contains("2 bytes"), "{node:?}");
}

#[test]
fn faulty_messages_name_the_path_of_the_field() {
    let field = |change: fn(&mut pb::NodeView)| {
        let mut wire = pb::NodeView::from(view());
        change(&mut wire);
        NodeView::try_from(wire).unwrap_err().field
    };
    assert_eq!(field(|v| v.data_port = 70_000), "data_port");
    assert_eq!(field(|v| v.peers[0].vtep.clear()), "peers.vtep");
    assert_eq!(field(|v| v.tasks[0].slot = 0), "tasks.slot");
    assert_eq!(
        field(|v| v.services[0].ports[0].published = None),
        "services.ports.published"
    );
    assert_eq!(field(|v| v.tasks[0].status = None), "tasks.status");
}

#[test]
fn a_spec_that_cannot_work_is_refused_with_the_words_of_the_model() {
    let mut wire = pb::ServiceSpec::from(full_spec());
    wire.container.as_mut().unwrap().image = "Bad Image".into();
    let error = ServiceSpec::try_from(wire).unwrap_err();
    assert!(
        error.to_string().starts_with("invalid image reference \"Bad Image\""),
        "{error}"
    );
}

#[test]
fn cluster_settings_survive() {
    survives::<_, pb::ClusterSettings>(ClusterSettings {
        heartbeat_ms: 5000,
        cert_expiry: Duration::from_secs(7200),
        autolock: true,
        allow_privileged: true,
        ..ClusterSettings::default()
    });
}
