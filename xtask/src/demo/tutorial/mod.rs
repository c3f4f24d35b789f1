//! What every Swarm user has read and tries: steps of the well-known tutorial
//! on four hosts, of which the fourth comes late.

mod departure;
mod entry;
mod logs;
mod managers;
mod moves;
mod power_cut;
mod root;
mod secrets;
mod services;
mod stack;
mod updates;

use super::cluster::{Cluster, SETTLE};
use super::report::Report;
use crate::lab::layout::Node;
use crate::lab::place::Place;
use crate::lab::{netd, wait};
use anyhow::Result;

/// The first manager.
const N1: Node = Node(1);
const N2: Node = Node(2);
const N3: Node = Node(3);
/// In no cluster until it is needed.
const N4: Node = Node(4);

/// Steps 3 to 7 and 9 to 16; the main job has the others too. Their order is that of what they need.
///
/// # Errors
/// There is no cluster to go on with.
pub fn run(cluster: &mut Cluster, report: &mut Report) -> Result<()> {
    for node in cluster.nodes() {
        netd::start(&cluster.record, node)?;
    }
    report.step(3, "joining, and tokens");
    entry::run(cluster, report)?;
    report.step(4, "a service, and what becomes of its tasks");
    services::timecheck(cluster, report)?;
    report.step(5, "without a name");
    services::unnamed(cluster, report)?;
    report.step(6, "networks and names");
    services::networks(cluster, report)?;
    report.step(9, "one task a node");
    services::global(cluster, report)?;
    report.step(10, "a power cut");
    power_cut::run(cluster, report)?;
    let back = wait::until_ok(SETTLE, || services::on_nodes(cluster, 3));
    report.check("the global service has a task on n3 again", back);
    let rm = "netctl service rm global_web";
    report.check(rm, silent(cluster.typed(at(N1), rm)));
    report.step(7, "a published port");
    services::published(cluster, report)?;
    report.step(11, "a rolling update, and back");
    updates::run(cluster, report)?;
    report.step(12, "a secret and a config");
    secrets::run(cluster, report)?;
    report.step(14, "a stack");
    stack::run(cluster, report)?;
    report.step(15, "logs and events, and removal");
    logs::run(cluster, report)?;
    stack::removal(cluster, report)?;
    report.step(13, "several managers");
    managers::run(cluster, report)?;
    report.step(16, "leaving");
    departure::run(cluster, report)
}

fn at(node: Node) -> Place {
    Place::Node(node)
}

/// An outcome whose words nobody needs.
fn silent(outcome: Result<String>) -> Result<String> {
    outcome.map(|_| String::new())
}
