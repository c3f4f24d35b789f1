//! What `apply` promises: all-or-nothing, deterministic, dedup, states that only grow, nothing taken twice.

use std::{collections::BTreeMap, net::IpAddr};

use model::{
    Attachment, Availability, Cluster, ClusterId, ClusterSecrets, ClusterSettings, ContainerSpec, DesiredState,
    NetworkId, NetworkSpec, Node, NodeId, NodeSpec, NodeState, NodeStatus, PublishMode, PublishedPort, RequestId, Role,
    ServiceId, ServiceSpec, Slot, Task, TaskId, TaskState, TaskStatus, Timestamp, VirtualIp, Vni,
};

use crate::{AddressOwner, CodecError, Command, Entry, NewNetwork, NewService, Refused, ServiceChange, State};
use crate::{StatusReport, TaskOp};

const AT: Timestamp = Timestamp(1_000);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn network(id: u128, name: &str, vni: u32, subnet: &str, gateway: &str) -> Command {
    Command::CreateNetwork(Box::new(NewNetwork {
        id: NetworkId::from_bits(id),
        at: AT,
        spec: NetworkSpec::named(name.parse().unwrap()),
        vni: Vni::try_from(vni).unwrap(),
        subnet: subnet.parse().unwrap(),
        gateway: ip(gateway),
    }))
}

fn service(id: u128, name: &str, vip: Option<&str>, port: Option<(u16, PublishMode)>) -> Command {
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

fn node(id: u128, raft_id: Option<u64>) -> Node {
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

fn status(state: TaskState, at: i64) -> TaskStatus {
    let (message, err) = (String::new(), String::new());
    TaskStatus {
        state,
        at: Timestamp(at),
        message,
        err,
        container: None,
        exit_code: None,
    }
}

fn task(id: u128) -> Task {
    Task {
        id: TaskId::from_bits(id),
        version: 0,
        created_at: AT,
        updated_at: AT,
        service: ServiceId::from_bits(1),
        service_name: "web".parse().unwrap(),
        slot: Slot::MIN,
        spec_version: 1,
        container: ContainerSpec::of("image"),
        node: None,
        attachments: Vec::new(),
        desired: DesiredState::Running,
        not_before: None,
        status: status(TaskState::New, 1_000),
    }
}

fn allocate(id: u128, addr: &str) -> Command {
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

fn assign(id: u128, node: u128) -> Command {
    let (task, node) = (TaskId::from_bits(id), NodeId::from_bits(node));
    Command::Tasks(vec![TaskOp::Assign { task, at: AT, node }])
}

fn report(node: u128, id: u128, state: TaskState, at: i64) -> Command {
    let (node, task) = (NodeId::from_bits(node), TaskId::from_bits(id));
    let report = StatusReport {
        node,
        task,
        status: status(state, at),
    };
    Command::Tasks(vec![TaskOp::Report(Box::new(report))])
}

fn apply(state: &mut State, command: Command) -> Result<usize, Refused> {
    let index = state.applied() + 1;
    let request = RequestId::from_bits(u128::from(index));
    state
        .apply(index, Entry { request, command })
        .map(|events| events.len())
}

/// One network 10.1.0.0/24, one node, one service with a virtual IP, one assigned task.
fn state() -> State {
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

#[test]
fn what_is_taken_is_refused_by_name() {
    let taken = |command| apply(&mut state(), command).unwrap_err().to_string();
    for (command, want) in [
        (
            service(2, "web", None, None),
            "name conflicts with an existing object: service web already exists",
        ),
        (
            service(2, "api", None, Some((8080, PublishMode::Host))),
            "port '8080' is already in use by service 'web' (0000000000000000000000001) as an ingress port",
        ),
        (
            service(2, "api", Some("10.1.0.3"), None),
            "address 10.1.0.3 is already in use in network blue",
        ),
        (
            service(2, "api", Some("10.1.0.1"), None),
            "address 10.1.0.1 is already in use in network blue",
        ),
        (
            service(2, "api", Some("10.1.0.255"), None),
            "address 10.1.0.255 is not a host address of network blue (subnet 10.1.0.0/24)",
        ),
        (
            network(2, "red", 4096, "10.2.0.0/24", "10.2.0.1"),
            "VNI 4096 is already in use by network blue",
        ),
        (
            network(2, "red", 4097, "10.1.0.128/25", "10.1.0.129"),
            "Pool overlaps with other one on this address space: subnet 10.1.0.128/25 overlaps network blue (10.1.0.0/24); choose another with --subnet",
        ),
        (
            Command::UpsertNode(Box::new(node(2, Some(1)))),
            "raft id 1 has been used before: nodes get ids above 1",
        ),
        (
            Command::RemoveNode {
                id: NodeId::from_bits(1),
                at: AT,
                force: false,
            },
            "node 000000000000 is not down and can't be removed",
        ),
        (
            Command::RemoveNetwork {
                id: NetworkId::from_bits(1),
            },
            "network blue is in use by task 0000000000000000000000001",
        ),
    ] {
        assert_eq!(taken(command), want);
    }
}

#[test]
fn two_services_may_share_a_host_mode_port() {
    let mut state = state();
    assert!(apply(&mut state, service(2, "a", None, Some((9000, PublishMode::Host)))).is_ok());
    assert!(apply(&mut state, service(3, "b", None, Some((9000, PublishMode::Host)))).is_ok());
    let refused = apply(&mut state, service(4, "c", None, Some((9000, PublishMode::Ingress)))).unwrap_err();
    assert!(refused.to_string().ends_with("as a host-published port"), "{refused}");
}

#[test]
fn a_refused_command_changes_nothing_but_the_index() {
    let mut after = state();
    let before = after.clone();
    let batch = Command::Batch(vec![service(2, "api", None, None), service(3, "api", None, None)]);
    assert!(matches!(apply(&mut after, batch), Err(Refused::NameTaken { .. })));
    assert_eq!(after.applied(), before.applied() + 1);
    assert_eq!(after.services().count(), before.services().count());
    assert_eq!(after.indexes, before.indexes);
}

#[test]
fn a_retry_changes_nothing_and_ends_as_the_first_time() {
    let mut state = state();
    let entry = |command| Entry {
        request: RequestId::from_bits(99),
        command,
    };
    let refused = state.apply(50, entry(service(2, "web", None, None))).unwrap_err();
    let retry = state.apply(51, entry(service(2, "other", None, None))).unwrap_err();
    assert_eq!(refused, retry);
    assert_eq!(state.services().count(), 1);
    assert_eq!(state.applied(), 51);
}

#[test]
fn an_old_index_is_ignored() {
    let mut state = state();
    let entry = Entry {
        request: RequestId::from_bits(77),
        command: service(2, "api", None, None),
    };
    assert_eq!(state.apply(2, entry), Ok(Vec::new()));
    assert_eq!(state.services().count(), 1);
}

#[test]
fn task_states_only_grow_and_only_their_own_agent_reports_them() {
    use TaskState::{Failed, Orphaned, Preparing, Running, Shutdown};
    struct Case(u128, TaskState, i64, &'static str, TaskState);
    let mut state = state();
    apply(&mut state, Command::UpsertNode(Box::new(node(2, None)))).unwrap();
    for Case(node, to, at, outcome, now) in [
        Case(1, Running, 10, "changed", Running),
        Case(1, Preparing, 11, "ignored", Running),
        Case(1, Running, 9, "ignored", Running),
        Case(2, Failed, 12, "refused", Running),
        Case(1, Orphaned, 12, "refused", Running),
        Case(1, Failed, 12, "changed", Failed),
        Case(1, Shutdown, 13, "ignored", Failed),
    ] {
        let got = match apply(&mut state, report(node, 1, to, at)) {
            Ok(0) => "ignored",
            Ok(_) => "changed",
            Err(_) => "refused",
        };
        assert_eq!(
            (got, state.task(TaskId::from_bits(1)).unwrap().status.state),
            (outcome, now),
            "{to} at {at}"
        );
    }
}

#[test]
fn an_ended_task_gives_its_address_back() {
    let mut state = state();
    let blue = NetworkId::from_bits(1);
    let owner = Some(AddressOwner::Task(TaskId::from_bits(1)));
    assert_eq!(state.address_owner(blue, ip("10.1.0.3")), owner);
    apply(&mut state, report(1, 1, TaskState::Failed, 20)).unwrap();
    assert_eq!(state.address_owner(blue, ip("10.1.0.3")), None);
    assert_eq!(state.address_cursor(blue), Some(ip("10.1.0.3")));
    assert_eq!(state.tasks_in_network(blue).count(), 0);
}

#[test]
fn removing_a_service_dooms_its_tasks_and_frees_its_names() {
    let mut state = state();
    let id = ServiceId::from_bits(1);
    apply(&mut state, Command::RemoveService { id, at: AT }).unwrap();
    assert_eq!(state.task(TaskId::from_bits(1)).unwrap().desired, DesiredState::Remove);
    assert_eq!(state.address_owner(NetworkId::from_bits(1), ip("10.1.0.2")), None);
    assert!(
        apply(
            &mut state,
            Command::RemoveNetwork {
                id: NetworkId::from_bits(1)
            }
        )
        .is_ok()
    );
    assert!(apply(&mut state, service(2, "web", None, Some((8080, PublishMode::Ingress)))).is_ok());
}

#[test]
fn removing_a_node_orphans_its_tasks() {
    let mut state = state();
    let id = NodeId::from_bits(1);
    // A manager has to be demoted first.
    let mut worker = node(1, None);
    worker.status.state = NodeState::Down;
    apply(&mut state, Command::UpsertNode(Box::new(worker))).unwrap();
    apply(
        &mut state,
        Command::RemoveNode {
            id,
            at: AT,
            force: false,
        },
    )
    .unwrap();
    assert_eq!(
        state.task(TaskId::from_bits(1)).unwrap().status.state,
        TaskState::Orphaned
    );
    assert!(state.node(id).is_none());
}

#[test]
fn updates_compare_versions_and_count_what_needs_new_tasks() {
    let mut state = state();
    let old = state.services().next().unwrap().clone();
    let change = |version, spec: &ServiceSpec| {
        let (vips, ports) = (old.vips.clone(), old.ports.clone());
        let change = ServiceChange {
            id: old.id,
            version,
            at: AT,
            spec: spec.clone(),
            vips,
            ports,
        };
        Command::UpdateService(Box::new(change))
    };
    let mut spec = old.spec.clone();
    spec.mode = model::Mode::Replicated { replicas: 3 };
    apply(&mut state, change(old.version, &spec)).unwrap();
    let scaled = state.service(old.id).unwrap().clone();
    assert_eq!((scaled.spec_version, scaled.version), (1, state.applied()));
    let refused = apply(&mut state, change(old.version, &spec)).unwrap_err();
    assert!(refused.to_string().starts_with("update out of sequence"), "{refused}");
    spec.container.image = "image:2".to_owned();
    apply(&mut state, change(scaled.version, &spec)).unwrap();
    assert_eq!(state.service(old.id).unwrap().spec_version, 2);
}

#[test]
fn snapshots_and_entries_round_trip_and_name_an_unknown_format() {
    let mut state = state();
    let cluster = Cluster {
        id: ClusterId::from_bits(5),
        version: 0,
        created_at: AT,
        settings: ClusterSettings::default(),
        root_ca: "pem".into(),
        secrets: ClusterSecrets {
            worker_token: "w".into(),
            manager_token: "m".into(),
            root_ca_key: "k".into(),
        },
    };
    apply(&mut state, Command::InitCluster(Box::new(cluster.clone()))).unwrap();
    let refused = apply(&mut state, Command::InitCluster(Box::new(cluster)));
    assert_eq!(refused, Err(Refused::ClusterExists));
    let mut bytes = state.encode().unwrap();
    assert_eq!(State::decode(&bytes).unwrap(), state);
    assert_eq!(State::decode(&bytes).unwrap().checksum(), state.checksum());
    let entry = Entry {
        request: RequestId::from_bits(3),
        command: report(1, 1, TaskState::Running, 5),
    };
    assert_eq!(Entry::decode(&entry.encode().unwrap()), Ok(entry));
    bytes[0] = 9;
    assert_eq!(
        State::decode(&bytes),
        Err(CodecError::Format {
            what: "snapshot",
            found: 9,
            known: 1
        })
    );
    assert_eq!(Entry::decode(&[]), Err(CodecError::Empty { what: "log entry" }));
    assert!(matches!(Entry::decode(&[1, 0xff]), Err(CodecError::Broken { .. })));
}

#[test]
fn only_the_latest_requests_are_remembered() {
    let mut state = State::default();
    for index in 1..=(crate::REMEMBERED_REQUESTS as u64 + 1) {
        let request = RequestId::from_bits(u128::from(index));
        state
            .apply(
                index,
                Entry {
                    request,
                    command: Command::Batch(Vec::new()),
                },
            )
            .unwrap();
    }
    assert_eq!(state.outcome(RequestId::from_bits(1)), None);
    assert_eq!(state.outcome(RequestId::from_bits(2)), Some(Ok(())));
}
