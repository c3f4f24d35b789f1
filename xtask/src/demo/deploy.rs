//! Step 2: one network and the image-of-the-day application on it.

use super::cluster::Cluster;
use super::report::Report;
use crate::lab::images::{ACCESS_LOG, API, TOOLS, WEB};
use crate::lab::layout::Node;
use crate::lab::place::Place;
use anyhow::{Context, Result};

const N1: Place = Place::Node(Node(1));

/// Creates network and services.
///
/// # Errors
/// A service does not come up: there is nothing to go on with.
pub fn run(cluster: &Cluster, report: &mut Report) -> Result<()> {
    report.require("network create", create_network(cluster))?;
    let services = [
        ("accesslog", 2, format!("--replicas 2 {ACCESS_LOG}")),
        ("iotd", 3, format!("--replicas 3 {API}")),
        ("web", 2, format!("--replicas 2 --publish 8080:80 {WEB}")),
        // Not of the application: somebody inside to look around.
        (
            "tools",
            1,
            format!("--constraint node.hostname==n3 {TOOLS} sleep infinity"),
        ),
    ];
    for (name, _, rest) in &services {
        let line = format!("netctl service create --name {name} --network iotd-net {rest}");
        report.require(
            &format!("service create {name}"),
            cluster.typed(N1, &line).map(|_| String::new()),
        )?;
    }
    for (name, replicas, _) in services {
        report.require(&format!("{name} runs"), cluster.await_replicas(name, replicas))?;
    }
    println!("{}", indent(&cluster.typed(N1, "netctl service ls")?));
    report.check(
        "a taken name is refused",
        cluster.refused(N1, &format!("netctl service create --name web {WEB}"), "web"),
    );
    let taken = format!("netctl service create --name second --publish 8080:80 {WEB}");
    report.check("a taken port is refused", cluster.refused(N1, &taken, "8080"));
    let nowhere = format!("netctl service create --name second --network nowhere {WEB}");
    report.check(
        "an unknown network is refused",
        cluster.refused(N1, &nowhere, "nowhere"),
    );
    Ok(())
}

fn create_network(cluster: &Cluster) -> Result<String> {
    cluster.typed(N1, "netctl network create iotd-net")?;
    let listed = cluster.quiet(N1, "netctl network ls")?;
    let row = listed
        .lines()
        .find(|row| row.contains("iotd-net"))
        .context("network ls does not show it")?;
    Ok(row.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn indent(text: &str) -> String {
    text.lines()
        .map(|line| format!("      {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
