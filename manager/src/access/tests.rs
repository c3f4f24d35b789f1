//! The whole matrix: every method with every kind of caller.

use model::{ClusterId, NodeId, Timestamp};
use store::{Command, Entry, State};

use super::*;
use crate::mint;

const CLUSTER: ClusterId = ClusterId::from_bits(1);

fn state() -> View {
    let mut state = State::default();
    let cluster = model::Cluster {
        id: CLUSTER,
        version: 0,
        created_at: Timestamp(0),
        settings: model::ClusterSettings::default(),
        root_ca: String::new(),
        secrets: model::ClusterSecrets {
            worker_token: String::new(),
            manager_token: String::new(),
            root_ca_key: String::new(),
            unlock_key: String::new(),
        },
    };
    let join = |id, role| Command::join(NodeId::from_bits(id), Timestamp(0), role, [10, 0, 0, 1].into());
    let mut manager = join(1, Role::Manager);
    if let Command::UpsertNode(node) = &mut manager {
        node.raft_id = Some(1);
    }
    let demoted = join(3, Role::Worker);
    let all = [
        Command::InitCluster(Box::new(cluster)),
        manager,
        join(2, Role::Worker),
        demoted,
    ];
    for (index, command) in all.into_iter().enumerate() {
        let request = mint::request();
        state.apply(index as u64 + 1, Entry { request, command }).unwrap();
    }
    state
}

fn caller(node: u128, role: Role, cluster: ClusterId) -> Caller {
    Caller {
        from: ([10, 0, 0, 9], 1).into(),
        subject: Some(Subject {
            node: NodeId::from_bits(node),
            role,
            cluster,
        }),
    }
}

#[test]
fn each_method_is_open_to_its_callers_and_to_nobody_else() {
    let view = state();
    let nobody = Caller {
        from: ([10, 0, 0, 9], 1).into(),
        subject: None,
    };
    let worker = caller(2, Role::Worker, CLUSTER);
    let manager = caller(1, Role::Manager, CLUSTER);
    let strangers = [
        nobody,
        caller(9, Role::Manager, CLUSTER),
        caller(1, Role::Manager, ClusterId::from_bits(2)),
    ];
    for (path, access) in wire::METHODS {
        let (anyone, node) = (
            *access == Access::Anyone,
            matches!(access, Access::Anyone | Access::Node | Access::Itself),
        );
        let remote = *access != Access::Operator;
        assert_eq!(check(path, &manager, &view).is_ok(), remote, "{path} by a manager");
        assert_eq!(check(path, &worker, &view).is_ok(), node, "{path} by a worker");
        for stranger in &strangers {
            // A manager that was removed is told so by the raft service itself.
            let removed = stranger.subject.is_some_and(|subject| subject.cluster == CLUSTER);
            let open = anyone || *access == Access::Peer && removed;
            assert_eq!(check(path, stranger, &view).is_ok(), open, "{path} by {stranger:?}");
        }
    }
}

#[test]
fn a_manager_certificate_of_a_demoted_node_is_worth_a_workers() {
    let view = state();
    let demoted = caller(3, Role::Manager, CLUSTER);
    assert!(check("/netctl.v1.Dispatcher/Session", &demoted, &view).is_ok());
    let refused = check("/netctl.v1.Control/ListNodes", &demoted, &view).unwrap_err();
    assert!(refused.message().starts_with("This node is not a swarm manager."));
    let promoted = caller(1, Role::Worker, CLUSTER);
    assert!(check("/netctl.v1.Control/ListNodes", &promoted, &view).is_err());
}

#[test]
fn unknown_methods_are_nobodys() {
    let refused = check(
        "/netctl.v1.Control/Surprise",
        &caller(1, Role::Manager, CLUSTER),
        &state(),
    );
    assert_eq!(refused.unwrap_err().code(), tonic::Code::Unimplemented);
}
