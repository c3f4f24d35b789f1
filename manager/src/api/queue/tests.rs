//! One round over a state, without raft.

use control::{plan_create_network, plan_create_service, plan_init};
use model::{NetworkAttachment, NetworkId, NetworkSpec, ServiceId, ServiceSpec, Timestamp, VirtualIp};

use super::*;
use crate::{
    config::{InitParams, ManagerConfig},
    founding::{FIRST_MEMBER, found_cluster, manager_node},
};

type Answer = oneshot::Receiver<Result<View, Status>>;

const BLUE: NetworkId = NetworkId::from_bits(2);

/// A cluster with network `blue`.
fn state() -> State {
    let init = InitParams::new();
    let (cluster, credentials) = found_cluster(&init).unwrap();
    let config = ManagerConfig {
        data_root: "/nowhere".into(),
        listen_addr: ([192, 0, 2, 1], 2377).into(),
        advertise_addr: ([192, 0, 2, 1], 2377).into(),
        hints: peer::Hints::default(),
    };
    let node = manager_node(&config, &init, cluster.created_at, (credentials.node, FIRST_MEMBER));
    let mut state = State::default();
    let first = plan_init(&state, cluster, node, NetworkId::from_bits(1)).unwrap();
    state.apply_draft(first).unwrap();
    let spec = NetworkSpec::named("blue".parse().unwrap());
    let blue = plan_create_network(&state, BLUE, Timestamp(1), spec).unwrap();
    state.apply_draft(blue).unwrap();
    state
}

fn creation(request: u128, name: &str) -> (Wish, Answer) {
    let mut spec = ServiceSpec::new(name.parse().unwrap(), "busybox");
    spec.networks = vec![NetworkAttachment {
        network: BLUE,
        aliases: Vec::new(),
    }];
    let (reply, answer) = oneshot::channel();
    let service = ServiceId::from_bits(request);
    let wish = Wish {
        request: RequestId::from_bits(request),
        plan: Box::new(move |view| plan_create_service(view, service, Timestamp(1), spec.clone())),
        newest: false,
        races: 0,
        reply,
    };
    (wish, answer)
}

fn vips(round: &Round) -> Vec<VirtualIp> {
    let created = round.planned.iter().filter_map(|(_, _, command)| match command {
        Command::CreateService(new) => Some(new.vips.clone()),
        _ => None,
    });
    created.flatten().collect()
}

#[test]
fn requests_of_one_round_get_different_addresses() {
    let (wishes, _answers): (Vec<_>, Vec<_>) = (0..ROUND as u128).map(|n| creation(n + 1, &format!("s{n}"))).unzip();
    let mut state = state();
    let round = Round::of(&state, wishes);
    let mut addrs: Vec<_> = vips(&round).iter().map(|vip| vip.addr).collect();
    addrs.sort();
    addrs.dedup();
    assert_eq!((addrs.len(), round.again.len()), (ROUND, 0));
    for (_, _, command) in round.planned {
        state.apply_draft(command).unwrap();
    }
}

#[test]
fn a_refusal_on_top_of_a_draft_waits_until_the_draft_is_in_the_state() {
    let state = state();
    let ((first, _first), (second, mut answer)) = (creation(1, "web"), creation(2, "web"));
    let round = Round::of(&state, vec![first, second]);
    assert_eq!((round.planned.len(), round.again.len()), (1, 1));
    assert!(answer.try_recv().is_err(), "the first may not come to be");

    let mut then = state.clone();
    for (_, _, command) in round.planned {
        then.apply_draft(command).unwrap();
    }
    let round = Round::of(&then, round.again);
    assert!(round.planned.is_empty() && round.again.is_empty());
    let refused = answer.try_recv().unwrap().unwrap_err();
    assert!(refused.message().contains("web"), "{}", refused.message());
}

#[test]
fn an_outdated_version_is_a_race_only_for_who_did_not_read_it() {
    let outdated = Refused::OutOfSequence {
        kind: store::Kind::Service,
        name: "web".to_owned(),
        read: 1,
        now: 2,
    };
    let (mut wish, _answer) = creation(1, "web");
    assert!(!wish.has_lost(&outdated), "the user has to read it again");
    wish.newest = true;
    assert!(wish.has_lost(&outdated));
    wish.races = MAX_RACES;
    assert!(!wish.has_lost(&outdated), "not for ever");
}

#[test]
fn a_name_that_means_another_secret_by_now_is_a_race_for_everybody() {
    let (kind, name) = (model::PayloadKind::Secret, "db".to_owned());
    let (wish, _answer) = creation(1, "web");
    assert!(wish.has_lost(&Refused::Superseded {
        kind,
        name: name.clone()
    }));
    assert!(wish.has_lost(&Refused::UsersChanged { kind, name }));
}
