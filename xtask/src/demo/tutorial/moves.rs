//! Step 13, on the side: machines whose addresses change, one and then all managers at once; a firewall that blocks one way.

use super::{N1, N2, N3, at, silent};
use crate::demo::cluster::{Cluster, SETTLE};
use crate::demo::report::Report;
use crate::demo::roster;
use crate::lab::layout::{GATEWAY, Node};
use crate::lab::place::Place;
use crate::lab::wait;
use anyhow::{Result, bail};
use std::net::Ipv4Addr;

/// Enough that every node has one.
const REPLICAS: usize = 6;
/// What a firewall of n1 does with n2's tunnel.
const RULE: &str = "INPUT -p udp --dport 4789 -s 10.77.0.12 -j DROP";

/// n1, n2 and n3 are managers, `web` runs.
///
/// # Errors
/// The managers do not find each other again.
pub fn run(cluster: &Cluster, report: &mut Report) -> Result<()> {
    one_way(cluster, report)?;
    println!("   n3 gets another address");
    readdress(cluster, N3, N3.address(), elsewhere(N3))?;
    let told = wait::until_ok(SETTLE, || is_at(cluster, N1, N3, elsewhere(N3)));
    report.require("node inspect shows where n3 is now", told)?;
    let scale = format!("netctl service scale web={REPLICAS}");
    report.require("service scale web", silent(cluster.typed(at(N1), &scale)))?;
    report.require("n3 has tasks of it", on_n3(cluster))?;
    all_answer(cluster, report, &[N1.address(), N2.address(), elsewhere(N3)]);
    println!("   n1, n2 and n3 get other addresses, all at once");
    for node in [N1, N2] {
        readdress(cluster, node, node.address(), elsewhere(node))?;
    }
    readdress(cluster, N3, elsewhere(N3), third(N3))?;
    for node in [N2, N3] {
        let line = format!("netctl swarm join-addr {}", elsewhere(N1));
        report.check("a hint where a manager is", silent(cluster.typed(at(node), &line)));
    }
    let places = [(N1, elsewhere(N1)), (N2, elsewhere(N2)), (N3, third(N3))];
    for (node, addr) in places {
        let told = wait::until_ok(SETTLE, || is_at(cluster, N1, node, addr));
        report.require(&format!("the managers know that {} is at {addr}", node.name()), told)?;
    }
    all_answer(cluster, report, &places.map(|(_, addr)| addr));
    back(cluster, report, places)
}

fn on_n3(cluster: &Cluster) -> Result<String> {
    match cluster.containers_on("web", &[N3])?.len() {
        0 => bail!("it has none"),
        count => Ok(count.to_string()),
    }
}

fn elsewhere(node: Node) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, 60 + node.0)
}

fn third(node: Node) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, 80 + node.0)
}

/// The other steps know nodes by the addresses that they had. One after the other: the others know, and nobody needs a
/// hint.
fn back(cluster: &Cluster, report: &mut Report, places: [(Node, Ipv4Addr); 3]) -> Result<()> {
    for (node, addr) in places {
        readdress(cluster, node, addr, node.address())?;
        let told = wait::until_ok(SETTLE, || is_at(cluster, N1, node, node.address()));
        report.require(&format!("{} is back at its address", node.name()), told)?;
    }
    Ok(())
}

fn readdress(cluster: &Cluster, node: Node, from: Ipv4Addr, to: Ipv4Addr) -> Result<()> {
    // The way out goes with the last address of its subnet.
    let line = format!(
        "ip addr del {from}/24 dev eth0 && ip addr add {to}/24 dev eth0 && ip route replace default via {GATEWAY}"
    );
    cluster.typed(at(node), &line).map(|_| ())
}

/// What `on` shows of `node`.
fn is_at(cluster: &Cluster, on: Node, node: Node, addr: Ipv4Addr) -> Result<String> {
    let line = format!("netctl node inspect {} --format '{{{{.Status.Addr}}}}'", node.name());
    let shown = cluster.quiet(at(on), &line)?;
    if shown.trim() != addr.to_string() {
        bail!("{} is shown at {}", node.name(), shown.trim());
    }
    roster::has_status(cluster, on, node, "Ready").map(|_| String::new())
}

/// Every node leads to every task: those on other nodes too.
fn all_answer(cluster: &Cluster, report: &mut Report, addrs: &[Ipv4Addr]) {
    for addr in addrs {
        let answers = wait::until_ok(SETTLE, || tasks_behind(cluster, *addr));
        report.check(&format!("port 80 of {addr} leads to all tasks"), answers);
    }
}

fn tasks_behind(cluster: &Cluster, addr: Ipv4Addr) -> Result<String> {
    let line = format!("for i in $(seq 60); do curl -sS -m 2 -f http://{addr}/ || exit 1; echo; done");
    let text = cluster.quiet(Place::Client, &line)?;
    let mut names: Vec<&str> = text.lines().filter(|line| line.starts_with("task: ")).collect();
    names.sort_unstable();
    names.dedup();
    match names.len() {
        REPLICAS => Ok(String::new()),
        count => bail!("{count} of {REPLICAS} tasks answer"),
    }
}

/// `status` tells which of two ways is blocked.
fn one_way(cluster: &Cluster, report: &mut Report) -> Result<()> {
    cluster.typed(at(N1), &format!("iptables -I {RULE}"))?;
    let wanted = "n2 -> n1: UDP 4789 (data) blocked, open the other way";
    let told = cluster.refused_naming(at(N1), "netctl status 1>&2", &[wanted]);
    report.check(
        "status tells the way that a firewall blocks",
        told.map(|_| wanted.to_owned()),
    );
    cluster.typed(at(N1), &format!("iptables -D {RULE}")).map(|_| ())
}
