//! Which node reaches which, in words that name the port a firewall has to let through.

use std::{collections::BTreeMap, net::SocketAddr};

use model::Node;
use wire::pb::{NodeProbe, ProbeFailure, ProbeKind};

use super::{Cluster, Health};

/// Adds the reachability of all pairs.
pub(super) fn tell(health: &mut Health, data_port: u32, cluster: &Cluster) {
    let probes = match &cluster.probes {
        Ok(probes) => probes,
        Err(why) => {
            health
                .problems
                .push(format!("the nodes could not be asked to probe each other: {why}"));
            return;
        }
    };
    let names: BTreeMap<String, String> = cluster.nodes.iter().map(|n| (n.id.to_string(), n.hostname())).collect();
    let name = |id: &str| names.get(id).cloned().unwrap_or_else(|| id.to_owned());
    let before = health.problems.len();
    for probe in probes {
        let from = name(&probe.node);
        match probe.answered {
            true => health.problems.extend(blocked(&from, data_port, probe, cluster, &name)),
            false => health
                .problems
                .push(format!("node {from} did not answer in time when it was asked to probe")),
        }
    }
    let count = health.problems.len() - before;
    let found = match count {
        0 => format!("control and data ports answer between all {} nodes", probes.len()),
        _ => format!("{count} of the ways between {} nodes are blocked", probes.len()),
    };
    health.facts.push(("Reachability", found));
}

/// A line for each way that is blocked. Nodes that are down are told of already.
fn blocked<'a>(
    from: &'a str,
    data_port: u32,
    probe: &'a NodeProbe,
    cluster: &'a Cluster,
    name: &'a impl Fn(&str) -> String,
) -> impl Iterator<Item = String> + 'a {
    probe.failures.iter().filter_map(move |failure| match failure.kind() {
        ProbeKind::Data => {
            let to = cluster.nodes.iter().find(|n| n.id.to_string() == failure.node);
            to.is_none_or(is_up)
                .then(|| data(from, &name(&failure.node), data_port, failure))
        }
        ProbeKind::Control => {
            let to = cluster.nodes.iter().find(|n| manager_at(n, &failure.addr));
            to.is_none_or(is_up).then(|| control(from, to, failure))
        }
        ProbeKind::Unspecified => None,
    })
}

fn is_up(node: &Node) -> bool {
    node.status.state == model::NodeState::Ready
}

fn manager_at(node: &Node, addr: &str) -> bool {
    addr.parse()
        .is_ok_and(|addr: SocketAddr| node.manager_addr == Some(addr))
}

fn data(from: &str, to: &str, port: u32, failure: &ProbeFailure) -> String {
    format!("{from} -> {to}: UDP {port} (data) blocked: {}", failure.reason)
}

fn control(from: &str, to: Option<&Node>, failure: &ProbeFailure) -> String {
    let port = failure.addr.rsplit_once(':').map_or("2377", |(_, port)| port);
    let to = to.map_or_else(|| failure.addr.clone(), Node::hostname);
    format!(
        "{from} -> {to}: TCP {port} (control) to the manager blocked: {}",
        failure.reason
    )
}
