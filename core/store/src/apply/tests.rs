//! What `apply` promises: all-or-nothing, deterministic, dedup, states that only grow, nothing taken twice.

use model::{
    DesiredState, NetworkId, NodeDescription, NodeId, NodeState, PublishMode, RequestId, ServiceId, ServiceSpec, Slot,
    TaskId, TaskState, Timestamp,
};

use crate::{
    AddressOwner, Command, Entry, MemberChange, MemberStep, Refused, ServiceChange, State, TaskOp, fixture::*,
};

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
            "node 000000000000 is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal",
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
    let vip = state.address_owner(NetworkId::from_bits(1), ip("10.1.0.2"));
    assert_eq!(vip, Some(AddressOwner::Vip(id)), "its task still runs");
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

/// Raft lets node 1 go, which is wished to be a worker.
fn leave_raft(state: &mut State) {
    let (node, raft_id, at) = (NodeId::from_bits(1), 1, AT);
    let step = MemberStep::Leave;
    let change = MemberChange {
        node,
        raft_id,
        at,
        step,
    };
    apply(state, Command::Member(change)).unwrap();
}

#[test]
fn removing_a_node_orphans_its_tasks() {
    let mut state = state();
    let (id, at, message) = (NodeId::from_bits(1), AT, String::new());
    let remove = |force| Command::RemoveNode { id, at, force };
    let refused = apply(&mut state, remove(true));
    assert!(matches!(refused, Err(Refused::NodeIsManager(_))), "{refused:?}");
    leave_raft(&mut state);
    let down = NodeState::Down;
    apply(
        &mut state,
        Command::NodeStatus {
            id,
            at,
            state: down,
            message,
        },
    )
    .unwrap();
    apply(&mut state, remove(false)).unwrap();
    assert_eq!(
        state.task(TaskId::from_bits(1)).unwrap().status.state,
        TaskState::Orphaned
    );
    assert!(state.node(id).is_none());
}

#[test]
fn what_has_ended_stays_as_it_ended_when_its_node_is_removed() {
    let mut state = state();
    let id = NodeId::from_bits(1);
    apply(&mut state, report(1, 1, TaskState::Complete, 20)).unwrap();
    leave_raft(&mut state);
    let (at, force) = (AT, true);
    apply(&mut state, Command::RemoveNode { id, at, force }).unwrap();
    let task = state.task(TaskId::from_bits(1)).unwrap();
    assert_eq!(task.status.state, TaskState::Complete);
}

#[test]
fn a_task_is_not_given_up_when_its_node_has_come_back() {
    let mut state = state();
    let task = TaskId::from_bits(1);
    let give_up = || Command::Tasks(vec![TaskOp::Orphan { task, at: AT }]);
    let back = apply(&mut state, give_up());
    assert!(matches!(back, Err(Refused::NodeBack { .. })), "{back:?}");
    let down = Command::NodeStatus {
        id: NodeId::from_bits(1),
        at: AT,
        state: NodeState::Down,
        message: String::new(),
    };
    apply(&mut state, down).unwrap();
    apply(&mut state, give_up()).unwrap();
    assert_eq!(state.task(task).unwrap().status.state, TaskState::Orphaned);
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
            canary: None,
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
fn a_task_runs_since_the_managers_heard_of_it() {
    let mut state = state();
    let mut heard = |task_state, said, heard: i64| {
        let Command::Tasks(mut ops) = report(1, 1, task_state, said) else {
            unreachable!()
        };
        let TaskOp::Report(report) = &mut ops[0] else {
            unreachable!()
        };
        report.heard = Some(Timestamp(heard));
        apply(&mut state, Command::Tasks(ops)).unwrap();
        let task = state.task(TaskId::from_bits(1)).unwrap();
        (task.running_since, task.updated_at)
    };
    assert_eq!(heard(TaskState::Starting, 50, 2_000), (None, Timestamp(2_000)));
    let since = Some(Timestamp(3_000));
    assert_eq!(heard(TaskState::Running, 60, 3_000), (since, Timestamp(3_000)));
    assert_eq!(heard(TaskState::Running, 70, 4_000), (since, Timestamp(4_000)));
    assert_eq!(heard(TaskState::Failed, 80, 5_000), (since, Timestamp(5_000)));
}

#[test]
fn a_draft_gives_addresses_and_a_node_in_one_write_as_in_two() {
    let mut two = state();
    let mut new = task(2);
    new.slot = Slot::new(2).unwrap();
    apply(&mut two, Command::Tasks(vec![TaskOp::Create(Box::new(new))])).unwrap();
    let mut one = two.clone();
    let (Command::Tasks(allocate), Command::Tasks(assign)) = (allocate(2, "10.1.0.4"), assign(2, 1)) else {
        unreachable!()
    };
    let attachments = match &allocate[0] {
        TaskOp::Allocate { attachments, .. } => attachments.clone(),
        _ => unreachable!(),
    };
    for op in allocate.into_iter().chain(assign) {
        two.apply_op(op).unwrap();
    }
    let (id, node) = (TaskId::from_bits(2), NodeId::from_bits(1));
    let mut place = |node| one.apply_placed(id, AT, attachments.clone(), node, Default::default());
    assert!(matches!(place(NodeId::from_bits(9)), Err(Refused::NotFound { .. })));
    place(node).unwrap();
    assert!(matches!(place(node), Err(Refused::TaskBeyond { .. })));
    assert_eq!(one, two);
}

#[test]
fn of_the_changes_of_tasks_in_an_entry_all_are_made_or_none() {
    let mut state = state();
    let before = state.clone();
    let mut new = task(2);
    new.slot = Slot::new(2).unwrap();
    let stop = TaskOp::SetDesired {
        task: TaskId::from_bits(1),
        at: AT,
        desired: DesiredState::Remove,
    };
    let (Command::Tasks(ended), Command::Tasks(allocate)) =
        (report(1, 1, TaskState::Shutdown, 2_000), allocate(2, "10.1.0.4"))
    else {
        unreachable!()
    };
    let refused = TaskOp::Remove {
        task: TaskId::from_bits(1),
    };
    let made = [TaskOp::Create(Box::new(new)), stop.clone()]
        .into_iter()
        .chain(allocate);
    let ops = made.chain([refused]).collect();
    let why = state.apply_draft(Command::Tasks(ops)).unwrap_err();
    assert!(matches!(why, Refused::TaskNotEnded { .. }), "{why}");
    assert_eq!(state, before);
    let remove = TaskOp::Remove {
        task: TaskId::from_bits(1),
    };
    let unknown = TaskOp::Explain {
        task: TaskId::from_bits(9),
        at: AT,
        err: String::new(),
    };
    let ops = [stop].into_iter().chain(ended).chain([remove, unknown]).collect();
    let why = state.apply_draft(Command::Tasks(ops)).unwrap_err();
    assert!(matches!(why, Refused::NotFound { .. }), "{why}");
    assert_eq!(state, before, "what was removed is there again");
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

#[test]
fn a_copy_that_comes_when_the_first_is_forgotten_changes_nothing() {
    let mut state = state();
    let made = state.applied();
    let remove = Entry {
        request: RequestId::from_bits(1 << 100),
        command: Command::RemoveNetwork {
            id: NetworkId::from_bits(2),
        },
    };
    let create = Entry {
        request: RequestId::from_bits(1 << 101),
        command: network(2, "green", 4097, "10.2.0.0/24", "10.2.0.1"),
    };
    state.apply_repeated(made + 1, create.clone(), Some(made)).unwrap();
    state.apply_repeated(made + 2, remove, Some(made)).unwrap();
    for _ in 0..crate::REMEMBERED_REQUESTS {
        apply(&mut state, Command::Batch(Vec::new())).unwrap();
    }
    assert_eq!(state.outcome(create.request), None);
    let index = state.applied() + 1;
    let late = state.apply_repeated(index, create.clone(), Some(made));
    assert_eq!(late, Err(Refused::Outdated));
    assert_eq!((state.networks().count(), state.applied()), (1, index));
    assert_eq!(state.outcome(create.request), None, "nobody can say");
    state.apply_repeated(index + 1, create, Some(made + 2)).unwrap();
    assert_eq!(state.networks().count(), 2, "asked for after that");
}

#[test]
fn a_node_that_joins_again_keeps_its_raft_id() {
    let mut state = state();
    apply(&mut state, Command::UpsertNode(Box::new(node(1, None)))).unwrap();
    assert_eq!(state.member(1).map(|node| node.id), Some(NodeId::from_bits(1)));
}

#[test]
fn a_slot_takes_no_second_wanted_task() {
    let mut state = state();
    let second = Command::Tasks(vec![TaskOp::Create(Box::new(task(2)))]);
    let refused = apply(&mut state, second.clone()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "slot web.1 is filled by task 0000000000000000000000001, which has not ended and is wanted"
    );
    let stop = |desired| {
        Command::Tasks(vec![TaskOp::SetDesired {
            task: TaskId::from_bits(1),
            at: AT,
            desired,
        }])
    };
    apply(&mut state, stop(DesiredState::Shutdown)).unwrap();
    apply(&mut state, second).unwrap();
    apply(&mut state, stop(DesiredState::Running)).unwrap();
    assert_eq!(
        state.task(TaskId::from_bits(1)).unwrap().desired,
        DesiredState::Shutdown,
        "wishes only grow"
    );
}

#[test]
fn what_an_engine_said_counts_while_it_does_not_answer() {
    let mut state = state();
    let mut describe = |labels: &[(&str, &str)], error: &str| {
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let description = NodeDescription {
            hostname: "n1".to_owned(),
            os: "linux".to_owned(),
            arch: String::new(),
            engine_version: String::new(),
            engine_labels: labels.collect(),
            nano_cpus: 0,
            memory_bytes: 0,
            vtep: ip("192.168.0.1"),
            underlay_mtu: 1500,
            taken_prefixes: Vec::new(),
            held_ports: Vec::new(),
            engine_error: error.to_owned(),
            generic_resources: Vec::new(),
            plugins: Vec::new(),
        };
        let command = Command::DescribeNode {
            id: NodeId::from_bits(1),
            at: AT,
            addr: ip("192.168.0.1"),
            control: None,
            description: Box::new(description),
        };
        apply(&mut state, command).unwrap();
        let described = state.node(NodeId::from_bits(1)).unwrap().description.clone().unwrap();
        (described.engine_labels.len(), described.engine_error)
    };
    assert_eq!(describe(&[("disk", "ssd")], ""), (1, String::new()));
    assert_eq!(describe(&[], "silent"), (1, "silent".to_owned()));
    assert_eq!(describe(&[], ""), (0, String::new()));
}
