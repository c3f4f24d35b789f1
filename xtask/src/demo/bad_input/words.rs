//! Command lines that make no sense, by themselves or in this cluster.

use super::{HOST, Refusal, all_refused, unchanged};
use crate::demo::cluster::Cluster;
use crate::demo::report::Report;
use crate::demo::traces;
use anyhow::Result;

/// A token of the right form that no cluster ever gave.
const TOKEN: &str = "SWMTKN-1-00000000000000000000000000000000000000000000000000-0000000000000000000000000";

/// Before there is a cluster.
const OUTSIDE: &[Refusal] = &[
    ("netctl node ls", &["not a swarm manager", "netctl swarm init"]),
    (
        "netctl swarm init --advertise-addr 10.99.0.1",
        &["10.99.0.1", "--advertise-addr"],
    ),
    (
        "netctl swarm init --advertise-addr nosuch0",
        &["nosuch0", "--advertise-addr"],
    ),
    (
        "netctl swarm init --advertise-addr eth0 --data-path-port 80",
        &["data path port", "between 1024 and 49151"],
    ),
    (
        "netctl swarm init --advertise-addr eth0 --default-addr-pool 10.0.0.0",
        &["10.0.0.0", "CIDR"],
    ),
    (
        "netctl swarm join --token sesame 10.77.0.99:2377",
        &["invalid join token", "netctl swarm join-token"],
    ),
    ("netctl swarm join 10.77.0.99:2377", &["--token"]),
];

/// Flags that say nothing a cluster could do, networks that collide with others.
const REQUESTS: &[Refusal] = &[
    ("netctl swarm init", &["already part of a swarm", "netctl swarm leave"]),
    (
        "netctl swarm join --token $(netctl swarm join-token -q worker) 10.77.0.11:2377",
        &["already part of a swarm", "netctl swarm leave"],
    ),
    ("netctl node rm n1", &["n1", "must be demoted to worker before removal"]),
    (
        "netctl service create --publish 0:80 netctl/tools",
        &["0:80", "between 1 and 65535"],
    ),
    (
        "netctl service create --publish 80:80/icmp netctl/tools",
        &["80:80/icmp", "tcp|udp"],
    ),
    (
        "netctl service create --publish 80:80 --publish 80:81 netctl/tools",
        &["80/tcp", "twice"],
    ),
    (
        "netctl service create --publish 2377:80 netctl/tools",
        &["2377", "choose another port"],
    ),
    (
        "netctl service create --replicas x netctl/tools",
        &["'x'", "--replicas"],
    ),
    (
        "netctl service create --replicas=-1 netctl/tools",
        &["'-1'", "--replicas"],
    ),
    (
        "netctl service create --name=-web- netctl/tools",
        &["-web-", "letter or digit"],
    ),
    (
        "netctl service create --name web_ netctl/tools",
        &["web_", "letter or digit"],
    ),
    (
        "netctl service create --constraint node.colour==red netctl/tools",
        &["node.colour==red", "node.labels"],
    ),
    (
        "netctl service create --restart-delay 5 netctl/tools",
        &["--restart-delay", "5"],
    ),
    ("netctl service create Upper:Case", &["Upper:Case", "NAME[:TAG]"]),
    ("netctl service create", &["IMAGE"]),
    (
        "netctl service create --network nowhere netctl/tools",
        &["network nowhere not found"],
    ),
    (
        "netctl network create --subnet 10.9.1.1/24 red",
        &["10.9.1.1/24", "no bits set"],
    ),
    ("netctl network create --subnet 10.9.1.0 red", &["10.9.1.0", "CIDR"]),
    (
        "netctl network create --subnet 10.9.0.128/25 red",
        &["10.9.0.128/25", "network blue", "--subnet"],
    ),
    (
        "netctl network create --subnet 10.77.0.0/25 red",
        &["10.77.0.0/25", "node n1", "--subnet"],
    ),
    ("netctl network create blue", &["blue", "already exists"]),
    ("netctl network rm ingress", &["ingress", "not built yet"]),
];

/// Names of nothing.
const UNKNOWN: &[Refusal] = &[
    ("netctl service inspect nope", &["no such service: nope"]),
    ("netctl service ps nope", &["no such service: nope"]),
    ("netctl service rm nope", &["service nope not found"]),
    ("netctl service scale nope=2", &["no such service: nope"]),
    ("netctl network inspect nope", &["no such network: nope"]),
    ("netctl network rm nope", &["network nope not found"]),
    ("netctl node inspect nope", &["no such node: nope"]),
    ("netctl node ps nope", &["no such node: nope"]),
    ("netctl inspect nope", &["no such object: nope"]),
];

/// What docker has and netctl does not have yet.
const UNBUILT: &[Refusal] = &[
    (
        "netctl service create --mount type=npipe,source=x,target=/x netctl/tools",
        &["npipe", "Windows"],
    ),
    (
        "netctl service create --isolation hyperv netctl/tools",
        &["--isolation", "Windows"],
    ),
    (
        "netctl service create --privileged netctl/tools",
        &["privileged", "swarm update --allow-privileged"],
    ),
    ("netctl network connect blue web", &["network connect", "not built yet"]),
    (
        "netctl node demote n1",
        &["attempting to demote the last manager of the swarm"],
    ),
    ("netctl servise ls", &["servise"]),
];

/// Refusals while the node is in no cluster.
pub fn outside(cluster: &Cluster, report: &mut Report) {
    all_refused(cluster, report, OUTSIDE);
    let line = format!("netctl swarm join --token {TOKEN} 10.77.0.99:2377");
    let outcome = cluster.refused_naming(HOST, &line, &["10.77.0.99:2377", "netd", "port"]);
    report.check("a manager that does not answer is named", outcome);
    report.check("nothing is half-made", traces::nothing_made(cluster, HOST, &[]));
}

/// Refusals in a cluster.
///
/// # Errors
/// The network that others collide with cannot be made.
pub fn inside(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let blue = cluster.typed(HOST, "netctl network create --subnet 10.9.0.0/24 blue");
    report.require("a network to collide with", blue.map(|_| String::new()))?;
    let lists = "netctl service ls; netctl network ls; netctl node ls";
    let before = cluster.quiet(HOST, lists)?;
    for lines in [REQUESTS, UNKNOWN, UNBUILT] {
        all_refused(cluster, report, lines);
    }
    report.check("no service or network came of it", unchanged(cluster, lists, &before));
    Ok(())
}
