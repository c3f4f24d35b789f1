//! Which node reaches which, in words that name the port a firewall has to let through.

use std::{collections::BTreeMap, net::SocketAddr};

use model::{Node, NodeState};
use wire::pb::{NodeProbe, ProbeFailure, ProbeKind};

use super::{Cluster, Health};

/// Adds the reachability of all pairs. Nodes that are down are told of already.
pub(super) fn tell(health: &mut Health, data_port: u32, cluster: &Cluster) {
    let probes = match &cluster.probes {
        Ok(probes) => probes,
        Err(why) => {
            let line = format!("the nodes could not be asked to probe each other: {why}");
            health.problems.push(line);
            return;
        }
    };
    let before = health.problems.len();
    health.problems.extend(silent(cluster, probes));
    health.problems.extend(control(cluster, probes));
    health.problems.extend(data(cluster, probes, data_port));
    let found = match health.problems.len() - before {
        0 => format!("control and data ports answer between all {} nodes", probes.len()),
        1 => format!("one of the ways between {} nodes is blocked", probes.len()),
        count => format!("{count} of the ways between {} nodes are blocked", probes.len()),
    };
    health.facts.push(("Reachability", found));
}

fn node<'a>(cluster: &'a Cluster, id: &str) -> Option<&'a Node> {
    cluster.nodes.iter().find(|node| node.id.to_string() == id)
}

/// The host name of a node.
pub(super) fn name(cluster: &Cluster, id: &str) -> String {
    node(cluster, id).map_or_else(|| id.to_owned(), Node::hostname)
}

fn may_be_up(node: Option<&Node>) -> bool {
    node.is_none_or(|node| node.status.state == NodeState::Ready)
}

fn silent(cluster: &Cluster, probes: &[NodeProbe]) -> Vec<String> {
    let silent = probes.iter().filter(|probe| !probe.answered);
    let line = |from| format!("node {from} did not answer in time when it was asked to probe");
    silent.map(|probe| line(name(cluster, &probe.node))).collect()
}

/// Failures of one kind, with the node that met them.
fn failures(probes: &[NodeProbe], kind: ProbeKind) -> impl Iterator<Item = (&str, &ProbeFailure)> {
    let all = probes
        .iter()
        .flat_map(|p| p.failures.iter().map(move |f| (p.node.as_str(), f)));
    all.filter(move |(_, failure)| failure.kind() == kind)
}

fn control(cluster: &Cluster, probes: &[NodeProbe]) -> Vec<String> {
    let blocked = failures(probes, ProbeKind::Control).filter_map(|(from, failure)| {
        let addr: Option<SocketAddr> = failure.addr.parse().ok();
        let manager = cluster.nodes.iter().find(|n| addr.is_some() && n.manager_addr == addr);
        let to = manager.map_or_else(|| failure.addr.clone(), Node::hostname);
        let port = addr.map_or(2377, |addr| addr.port());
        let (from, reason) = (name(cluster, from), &failure.reason);
        let line = format!("{from} -> {to}: TCP {port} (control) to the manager blocked: {reason}");
        may_be_up(manager).then_some(line)
    });
    blocked.collect()
}

/// A probe of the data port goes there and back: both ends miss it, whichever way is blocked. Which one that is they know
/// from what they heard of each other.
fn data(cluster: &Cluster, probes: &[NodeProbe], port: u32) -> Vec<String> {
    let mut pairs: BTreeMap<[&str; 2], Vec<(&str, &ProbeFailure)>> = BTreeMap::new();
    for (from, failure) in failures(probes, ProbeKind::Data) {
        if may_be_up(node(cluster, &failure.node)) {
            let mut pair = [from, failure.node.as_str()];
            pair.sort_unstable();
            pairs.entry(pair).or_default().push((from, failure));
        }
    }
    let line = |(pair, failures): ([&str; 2], Vec<(&str, &ProbeFailure)>)| {
        let [first, second] = pair.map(|id| name(cluster, id));
        // The way from the other end to the one that tells is known to be open. That nothing was heard proves nothing.
        let heard = |end: &str| failures.iter().any(|(_, f)| f.node == end && f.heard == Some(true));
        let reason = failures.first().map_or("", |(_, failure)| failure.reason.as_str());
        let (ends, words) = match (heard(pair[0]), heard(pair[1])) {
            (true, false) => (format!("{second} -> {first}"), ", open the other way"),
            (false, true) => (format!("{first} -> {second}"), ", open the other way"),
            (true, true) | (false, false) => (format!("{first} <-> {second}"), ", one way or both"),
        };
        format!("{ends}: UDP {port} (data) blocked{words}: {reason}")
    };
    pairs.into_iter().map(line).collect()
}
