//! What every Swarm user has read and tries: steps of the well-known tutorial
//! on four hosts, of which the fourth comes late.

mod departure;
mod entry;
mod logs;
mod managers;
mod moves;
mod power_cut;
mod root;

use super::cluster::Cluster;
use super::report::Report;
use crate::lab::layout::Node;
use crate::lab::netd;
use crate::lab::place::Place;
use anyhow::Result;

/// The first manager.
const N1: Node = Node(1);
const N2: Node = Node(2);
const N3: Node = Node(3);
/// In no cluster until it is needed.
const N4: Node = Node(4);

/// Steps 3, 10, 13, 15 and 16.
///
/// # Errors
/// There is no cluster to go on with.
pub fn run(cluster: &mut Cluster, report: &mut Report) -> Result<()> {
    for node in cluster.nodes() {
        netd::start(&cluster.record, node)?;
    }
    report.step(3, "joining, and tokens");
    entry::run(cluster, report)?;
    report.step(10, "a power cut");
    power_cut::run(cluster, report)?;
    report.step(13, "several managers");
    managers::run(cluster, report)?;
    report.step(15, "logs and events");
    logs::run(cluster, report)?;
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
