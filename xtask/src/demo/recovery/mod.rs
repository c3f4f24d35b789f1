//! The control plane is lost for good: a survivor goes on alone, and after all
//! of it is gone a backup brings it back. The network takes no notice.

mod backup;
mod survivor;

use super::cluster::Cluster;
use super::join;
use super::report::Report;
use crate::lab::layout::Node;
use crate::lab::place::Place;
use anyhow::{Result, bail};

/// Managers, of which two die.
const N1: Node = Node(1);
const N2: Node = Node(2);
/// The survivor.
const N3: Node = Node(3);
/// A worker.
const N4: Node = Node(4);
/// Runs on the nodes that live.
const SERVICE: &str = "web";

/// Everything, one after the other, in one cluster.
///
/// # Errors
/// There is no cluster to go on with.
pub fn run(cluster: &mut Cluster, report: &mut Report) -> Result<()> {
    join::form_with_managers(cluster, &[N2, N3])?;
    report.step(1, "two of three managers are gone for good");
    survivor::run(cluster, report)?;
    report.step(2, "all managers are gone, and there is a backup");
    backup::run(cluster, report)
}

fn at(node: Node) -> Place {
    Place::Node(node)
}

/// An outcome whose words nobody needs.
fn silent(outcome: Result<String>) -> Result<String> {
    outcome.map(|_| String::new())
}

/// So many replicas run on these nodes.
fn replicas_on(cluster: &Cluster, nodes: &[Node], count: usize) -> Result<String> {
    match cluster.containers_on(SERVICE, nodes)?.len() {
        found if found == count => Ok(format!("{count}")),
        found => bail!("{found} of {count} run"),
    }
}
