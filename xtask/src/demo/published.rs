//! Step 4: the published port, from outside through every node, and from the
//! nodes themselves; the client's own address reaches the service.

use super::cluster::{Cluster, SETTLE, fields};
use super::names::lookup;
use super::report::Report;
use crate::lab::layout::{CLIENT_ADDRESS, Node};
use crate::lab::place::Place;
use crate::lab::wait;
use anyhow::{Result, bail};
use std::collections::BTreeSet;

const CLIENT_PORT: u16 = 40_000;

/// Asks every node for the page.
///
/// # Errors
/// There is no container to read the access log from.
pub fn run(cluster: &Cluster, report: &mut Report) -> Result<()> {
    for node in cluster.nodes() {
        let claim = format!(
            "the client gets the page on port 8080 of {}{}",
            node.name(),
            without(cluster, node)?
        );
        report.check(
            &claim,
            wait::until_ok(SETTLE, || page(cluster, Place::Client, &node.address().to_string())),
        );
    }
    report.check("the access log shows the client's own address", logged(cluster));
    report.check(
        "one client port talks to all nodes at the same time",
        one_port(cluster, "tcp", 8080),
    );
    for node in cluster.nodes() {
        for host in ["localhost".to_owned(), node.address().to_string()] {
            let outcome = wait::until_ok(SETTLE, || page(cluster, Place::Node(node), &host));
            report.check(&format!("{}: curl {host}:8080", node.name()), outcome);
        }
    }
    Ok(())
}

/// One client port, every node's published port at the same time.
///
/// # Errors
/// A node does not answer, or answers for another.
pub fn one_port(cluster: &Cluster, protocol: &str, published: u16) -> Result<String> {
    let exe = std::env::current_exe()?.display().to_string();
    let servers: Vec<String> = cluster
        .nodes()
        .map(|node| format!("{}:{published}", node.address()))
        .collect();
    let line = format!("{exe} one-port {protocol} {CLIENT_PORT} {}", servers.join(" "));
    cluster.quiet(Place::Client, &line)?;
    Ok(format!("source port {CLIENT_PORT}"))
}

fn without(cluster: &Cluster, node: Node) -> Result<&'static str> {
    let has_task = cluster.containers("web")?.iter().any(|task| task.node == node);
    Ok(if has_task { "" } else { ", which has no web task" })
}

/// One page through `host`; the detail says which tasks had a part in it.
fn page(cluster: &Cluster, from: Place, host: &str) -> Result<String> {
    let text = cluster.quiet(from, &format!("curl -sS -m 5 -f http://{host}:8080/via-{host}"))?;
    let (client, web, api) = (fields(&text, "client"), fields(&text, "web"), fields(&text, "api"));
    if from == Place::Client && !client.contains(CLIENT_ADDRESS.to_string().as_str()) {
        bail!("the page was asked for by {client:?}, not by {CLIENT_ADDRESS}");
    }
    Ok(format!("web {web:?} api {api:?} for {client:?}"))
}

/// Every node's request is in the log of one replica or the other.
fn logged(cluster: &Cluster) -> Result<String> {
    let tools = cluster.container("tools")?;
    let mut entries = BTreeSet::new();
    for replica in lookup(cluster, &tools, "tasks.accesslog")? {
        let text = cluster.inside(&tools, &format!("timeout 5 wget -q -O - http://{replica}/log"))?;
        entries.extend(text.lines().map(str::to_owned));
    }
    for node in cluster.nodes() {
        let entry = format!("{CLIENT_ADDRESS} /via-{}", node.address());
        if !entries.contains(&entry) {
            bail!("no entry {entry:?} among {entries:?}");
        }
    }
    Ok(CLIENT_ADDRESS.to_string())
}
