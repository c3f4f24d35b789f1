//! What `status` says of clusters in all sorts of trouble.

use wire::pb::{ProbeFailure, ProbeKind};

use super::*;
use crate::render::sample;

fn info(manager: bool) -> InfoResponse {
    InfoResponse {
        state: "active".into(),
        hostname: "n1".into(),
        manager,
        engine_version: "20.10".into(),
        live_restore: true,
        key_storage: "autolock is off: the key lies unsealed in FILE".into(),
        data_port: 4789,
        ..Default::default()
    }
}

/// Managers 1 to `managers`, workers up to `nodes`; `web` runs wholly; everybody reaches everybody.
fn cluster(managers: u128, nodes: u128) -> Cluster {
    let role = |bits| if bits <= managers { Role::Manager } else { Role::Worker };
    let nodes: Vec<Node> = (1..=nodes).map(|bits| sample::node(bits, role(bits))).collect();
    let probe = |node: &Node| NodeProbe {
        node: node.id.to_string(),
        answered: true,
        failures: vec![],
        clock: String::new(),
    };
    Cluster {
        leader: nodes[0].id.to_string(),
        services: vec![sample::service()],
        counts: [(ServiceId::from_bits(2), counts(3))].into(),
        probes: Ok(nodes.iter().map(probe).collect()),
        nodes,
    }
}

fn counts(running: u32) -> ServiceStatus {
    ServiceStatus {
        running,
        desired: 3,
        completed: 0,
    }
}

fn health(cluster: Cluster) -> Health {
    Health::of(&info(true), Some(Ok(cluster)))
}

#[test]
fn a_healthy_cluster_has_no_problems() {
    let health = health(cluster(3, 4));
    assert_eq!((&health.problems, &health.advice), (&vec![], &vec![]));
    let text = health.text();
    assert!(text.contains("Managers:     3 of 3 up, quorum 2, 1 may fail"), "{text}");
    assert!(
        text.contains("Reachability: control and data ports answer between all 4 nodes"),
        "{text}"
    );
    assert!(
        text.contains("Keys:         autolock is off: the key lies unsealed"),
        "{text}"
    );
    assert!(text.ends_with("Healthy.\n"));
    assert_eq!(health.json()["Healthy"], true);
}

#[test]
fn clocks_that_are_off_are_named_with_their_nodes_and_make_no_exit_code() {
    let mut cluster = cluster(1, 3);
    let probes = cluster.probes.as_mut().unwrap();
    probes[1].clock = "the clock of this host is 1 h behind the manager's".into();
    let health = health(cluster);
    assert_eq!(
        health.advice,
        ["node n2 says: the clock of this host is 1 h behind the manager's"]
    );
    assert!(health.problems.is_empty());
}

#[test]
fn even_counts_of_managers_are_advised_against() {
    assert!(health(cluster(2, 2)).advice[0].starts_with("two managers are worse than one"));
    assert!(health(cluster(4, 4)).advice[0].starts_with("4 managers tolerate no more failures than 3"));
}

#[test]
fn what_a_firewall_blocks_is_named() {
    let mut cluster = cluster(1, 3);
    let failure = |kind: ProbeKind, addr: &str, node: u128| ProbeFailure {
        kind: kind.into(),
        addr: addr.into(),
        node: model::NodeId::from_bits(node).to_string(),
        reason: "no answer within 2s".into(),
        heard: None,
    };
    let probes = cluster.probes.as_mut().unwrap();
    probes[1].failures = vec![
        failure(ProbeKind::Data, "192.0.2.3", 3),
        failure(ProbeKind::Control, "192.0.2.1:2377", 0),
    ];
    probes[2].answered = false;
    assert_eq!(
        health(cluster).problems,
        [
            "node n3 did not answer in time when it was asked to probe",
            "n2 -> n1: TCP 2377 (control) to the manager blocked: no answer within 2s",
            "n2 <-> n3: UDP 4789 (data) blocked, one way or both: no answer within 2s",
        ]
    );
}

#[test]
fn the_blocked_way_of_a_data_port_is_told_from_what_both_ends_heard() {
    let told = |first: Option<Option<bool>>, second: Option<Option<bool>>| {
        let mut cluster = cluster(1, 2);
        let failure = |node: u128, heard| ProbeFailure {
            kind: ProbeKind::Data.into(),
            node: model::NodeId::from_bits(node).to_string(),
            reason: "silence".into(),
            heard,
            ..ProbeFailure::default()
        };
        let probes = cluster.probes.as_mut().unwrap();
        probes[0].failures.extend(first.map(|heard| failure(2, heard)));
        probes[1].failures.extend(second.map(|heard| failure(1, heard)));
        health(cluster).problems.join("")
    };
    let blocked = |text: &str| text.replace("DATA", "UDP 4789 (data) blocked") + ": silence";
    for (first, second, text) in [
        (
            Some(Some(true)),
            Some(Some(false)),
            "n1 -> n2: DATA, open the other way",
        ),
        (
            Some(Some(false)),
            Some(Some(true)),
            "n2 -> n1: DATA, open the other way",
        ),
        (Some(Some(false)), Some(Some(false)), "n1 <-> n2: DATA, one way or both"),
        (Some(Some(true)), None, "n1 -> n2: DATA, open the other way"),
        (None, Some(Some(false)), "n1 <-> n2: DATA, one way or both"),
        (Some(None), Some(None), "n1 <-> n2: DATA, one way or both"),
    ] {
        assert_eq!(told(first, second), blocked(text));
    }
}

#[test]
fn nodes_engines_and_services_that_are_not_well_are_problems() {
    let mut cluster = cluster(1, 3);
    cluster.nodes[1].status.state = NodeState::Down;
    cluster.nodes[1].status.message = "heartbeat failure".into();
    let silent = cluster.nodes[2].description.as_mut().unwrap();
    silent.engine_error = "the container engine does not answer".into();
    cluster.counts.insert(ServiceId::from_bits(2), counts(0));
    // Nobody reaches a node that is down: one line is enough.
    cluster.probes.as_mut().unwrap()[0].failures = vec![ProbeFailure {
        kind: ProbeKind::Data.into(),
        addr: "192.0.2.2".into(),
        node: cluster.nodes[1].id.to_string(),
        ..ProbeFailure::default()
    }];
    assert_eq!(
        health(cluster).problems,
        [
            "node n2 is Down: heartbeat failure",
            "the engine of node n3 does not answer: the container engine does not answer",
            "service web: 0/3 tasks are running",
        ]
    );
}

#[test]
fn a_worker_tells_what_it_knows_and_what_goes_on() {
    let mut worker = info(false);
    assert!(Health::of(&worker, None).problems.is_empty());
    assert!(Health::of(&worker, None).text().contains("local facts only"));
    worker.cut_off_since = 1;
    worker.error = "connection refused".into();
    worker.live_restore = false;
    let health = Health::of(&worker, None);
    assert!(health.problems[0].starts_with("no manager in reach for") && health.problems[0].ends_with("refused"));
    assert!(health.text().contains("published ports of this node go on"));
    assert!(health.advice[0].contains("live-restore"));
}
