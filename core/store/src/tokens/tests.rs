//! What limits a join token has, whoever shows it and however often.

use model::{Cluster, ClusterId, ClusterSecrets, ClusterSettings, NodeId};

use super::*;
use crate::{Command, fixture::*};

const HOUR: Duration = Duration::from_secs(3600);

fn founded() -> State {
    let mut state = State::default();
    let cluster = Cluster {
        id: ClusterId::from_bits(5),
        version: 0,
        created_at: AT,
        settings: ClusterSettings::default(),
        root_ca: "root".into(),
        secrets: ClusterSecrets {
            worker_token: "worker".into(),
            manager_token: "manager".into(),
            root_ca_key: "key".into(),
            unlock_key: String::new(),
        },
    };
    apply(&mut state, Command::InitCluster(Box::new(cluster))).unwrap();
    state
}

fn mint(state: &mut State, hash: &str, at: Timestamp, ttl: Option<Duration>, uses: Option<u32>) -> Result<(), Refused> {
    let token = Box::new(LimitedToken {
        hash: hash.into(),
        role: if hash.starts_with('m') {
            Role::Manager
        } else {
            Role::Worker
        },
        expires_at: ttl.map(|ttl| at + ttl),
        uses_left: uses,
        spent_at: None,
    });
    apply(state, Command::Token(TokenStep::Mint { at, token })).map(|_| ())
}

fn admit(state: &mut State, hash: &str, node: u128, at: Timestamp) -> Result<(), Refused> {
    let step = TokenStep::Use { at, hash: hash.into() };
    let join = Command::join(NodeId::from_bits(node), at, Role::Worker, [10, 0, 0, 1].into());
    apply(state, Command::Batch(vec![Command::Token(step), join])).map(|_| ())
}

#[test]
fn the_last_use_is_given_once_and_a_refused_node_is_not_made() {
    let mut state = founded();
    mint(&mut state, "two", AT, None, Some(2)).unwrap();
    assert_eq!(admit(&mut state, "two", 1, AT), Ok(()));
    assert_eq!(admit(&mut state, "two", 2, AT), Ok(()));
    assert_eq!(admit(&mut state, "two", 3, AT), Err(Refused::TokenSpent));
    assert_eq!(admit(&mut state, "other", 3, AT), Err(Refused::TokenUnknown));
    assert_eq!(state.nodes().count(), 2);
}

#[test]
fn a_use_is_not_taken_if_the_node_is_refused() {
    let mut state = founded();
    mint(&mut state, "one", AT, None, Some(1)).unwrap();
    let step = TokenStep::Use {
        at: AT,
        hash: "one".into(),
    };
    let missing = Command::RemoveNode {
        id: NodeId::from_bits(9),
        at: AT,
        force: false,
    };
    assert!(apply(&mut state, Command::Batch(vec![Command::Token(step), missing])).is_err());
    assert_eq!(admit(&mut state, "one", 1, AT), Ok(()));
}

#[test]
fn a_token_ends_with_its_time() {
    let mut state = founded();
    mint(&mut state, "hour", AT, Some(HOUR), None).unwrap();
    let end = AT + HOUR;
    assert_eq!(admit(&mut state, "hour", 1, Timestamp(end.0 - 1)), Ok(()));
    assert_eq!(admit(&mut state, "hour", 2, end), Err(Refused::TokenExpired));
    assert_eq!(state.nodes().count(), 1);
}

#[test]
fn a_rotation_takes_the_limited_tokens_of_the_role_with_it() {
    let mut state = founded();
    mint(&mut state, "w", AT, None, Some(5)).unwrap();
    mint(&mut state, "m", AT, None, Some(5)).unwrap();
    let rotate = Command::UpdateTokens {
        version: state.cluster().unwrap().version,
        worker: "another".to_owned().into(),
        manager: "manager".to_owned().into(),
    };
    apply(&mut state, rotate).unwrap();
    assert_eq!(admit(&mut state, "w", 1, AT), Err(Refused::TokenUnknown));
    assert_eq!(admit(&mut state, "m", 1, AT), Ok(()));
}

#[test]
fn their_number_is_bounded_and_those_that_have_ended_make_room() {
    let mut state = founded();
    mint(&mut state, "brief", AT, Some(HOUR), None).unwrap();
    mint(&mut state, "spent", AT, None, Some(1)).unwrap();
    admit(&mut state, "spent", 1, AT + HOUR / 2).unwrap();
    for n in 2..MAX_LIMITED_TOKENS {
        mint(&mut state, &n.to_string(), AT, None, Some(1)).unwrap();
    }
    let later = AT + HOUR + HOUR;
    mint(&mut state, "a", later, None, None).unwrap();
    let refused = admit(&mut state, "spent", 2, later);
    assert_eq!(refused, Err(Refused::TokenUnknown), "it ended first");
    assert_eq!(admit(&mut state, "brief", 2, later), Err(Refused::TokenExpired));
    mint(&mut state, "b", later, None, None).unwrap();
    assert_eq!(mint(&mut state, "c", later, None, None), Err(Refused::TooManyTokens));
    assert_eq!(state.limited_tokens().count(), MAX_LIMITED_TOKENS);
    admit(&mut state, "2", 2, later).unwrap();
    mint(&mut state, "d", later + REMEMBERED, None, None).unwrap();
    assert_eq!(
        admit(&mut state, "2", 3, later + REMEMBERED),
        Err(Refused::TokenUnknown)
    );
}

#[test]
fn the_token_of_a_role_admits_until_it_is_rotated_and_by_its_own_role_only() {
    let mut state = founded();
    let admit = |state: &mut State, role, token: &str, node| {
        let token = token.to_owned().into();
        let hold = Command::Token(TokenStep::Hold { role, token });
        let join = Command::join(NodeId::from_bits(node), AT, role, [10, 0, 0, 1].into());
        apply(state, Command::Batch(vec![hold, join])).map(|_| ())
    };
    assert_eq!(admit(&mut state, Role::Worker, "worker", 1), Ok(()));
    for (role, token) in [(Role::Manager, "worker"), (Role::Worker, ""), (Role::Worker, "other")] {
        assert_eq!(admit(&mut state, role, token, 2), Err(Refused::TokenUnknown));
    }
    let rotate = Command::UpdateTokens {
        version: state.cluster().unwrap().version,
        worker: "another".to_owned().into(),
        manager: "manager".to_owned().into(),
    };
    apply(&mut state, rotate).unwrap();
    assert_eq!(admit(&mut state, Role::Worker, "worker", 2), Err(Refused::TokenUnknown));
    assert_eq!(admit(&mut state, Role::Manager, "manager", 2), Ok(()));
    assert_eq!(state.nodes().count(), 2);
}
