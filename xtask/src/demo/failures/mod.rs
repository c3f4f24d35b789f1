//! What nodes suffer: bad wires, power cuts, engines that restart or hang, no
//! manager in reach.

mod alone;
pub mod dead;
mod engine;
pub mod loss;

use super::cluster::{Cluster, SETTLE};
use super::join;
use super::report::Report;
use crate::lab::images::TOOLS;
use crate::lab::layout::Node;
use crate::lab::place::Place;
use crate::lab::wait;
use anyhow::{Result, bail};
use std::time::Duration;

/// The only manager.
const N1: Node = Node(1);
const N2: Node = Node(2);
const N3: Node = Node(3);
/// Runs on all nodes.
const SERVICE: &str = "spread";
const REPLICAS: usize = 6;
/// Long enough for many grace periods; the soak takes longer.
const LOSS: Duration = Duration::from_secs(15);

/// Everything, one after the other, in one cluster.
///
/// # Errors
/// There is no cluster to go on with.
pub fn run(cluster: &mut Cluster, report: &mut Report) -> Result<()> {
    join::form(cluster)?;
    let create =
        format!("netctl service create --name {SERVICE} --replicas {REPLICAS} -p 80:80 {TOOLS} probe whoami 80");
    report.require(
        "a service on all nodes",
        cluster.typed(Place::Node(N1), &create).map(|_| String::new()),
    )?;
    report.require("it runs", cluster.await_replicas(SERVICE, REPLICAS))?;
    for node in cluster.nodes() {
        let claim = format!("port 80 of {} answers", node.name());
        report.require(&claim, wait::until_ok(SETTLE, || cluster.port_answers(node)))?;
    }
    report.step(1, "5 % of all packets are lost");
    loss::claim(cluster, report, LOSS);
    report.step(2, "an engine is restarted");
    engine::restarted(cluster, report)?;
    report.step(3, "an engine hangs");
    engine::hangs(cluster, report)?;
    report.step(4, "a node boots without a manager");
    alone::run(cluster, report)?;
    report.step(5, "a node dies");
    dead::run(cluster, report)
}

/// Every replica of the service runs, once.
fn all_run(cluster: &Cluster) -> Result<String> {
    all_run_on(cluster, &cluster.nodes().collect::<Vec<_>>())
}

fn all_run_on(cluster: &Cluster, nodes: &[Node]) -> Result<String> {
    match cluster.containers_on(SERVICE, nodes)?.len() {
        REPLICAS => Ok(String::new()),
        count => bail!("{count} of {REPLICAS} run"),
    }
}
