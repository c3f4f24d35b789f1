//! Step 16: leaving, one node after the other, and the last manager.

use super::{N1, N2, N3, N4, at, silent};
use crate::demo::cluster::{Cluster, SETTLE};
use crate::demo::report::Report;
use crate::demo::{roster, traces};
use crate::lab::layout::Node;
use crate::lab::wait;
use anyhow::{Result, bail};

/// Workers leave and are removed; the last manager leaves by force.
///
/// # Errors
/// None so far: every outcome is a claim.
pub fn run(cluster: &Cluster, report: &mut Report) -> Result<()> {
    report.check(
        "a node that is up is not removed",
        cluster.refused_naming(at(N1), "netctl node rm n3", &["n3", "down"]),
    );
    for node in [N4, N3, N2] {
        let name = node.name();
        report.check(
            &format!("swarm leave on {name}"),
            silent(cluster.typed(at(node), "netctl swarm leave")),
        );
        let down = wait::until_ok(SETTLE, || roster::has_status(cluster, N1, node, "Down"));
        report.check(&format!("{name} is shown as Down"), down);
        report.check(
            &format!("node rm {name}"),
            silent(cluster.typed(at(N1), &format!("netctl node rm {name}"))),
        );
        report.check(&format!("node ls does not show {name}"), not_shown(cluster, node));
        nothing(cluster, report, node);
    }
    report.check(
        "swarm leave on the last manager is refused",
        cluster.refused(at(N1), "netctl swarm leave", "--force"),
    );
    report.check(
        "swarm leave --force",
        silent(cluster.typed(at(N1), "netctl swarm leave --force")),
    );
    nothing(cluster, report, N1);
    Ok(())
}

fn not_shown(cluster: &Cluster, node: Node) -> Result<String> {
    match roster::row(cluster, N1, node) {
        Ok(row) => bail!("{row:?}"),
        Err(_) => Ok(String::new()),
    }
}

/// No link, map, container or file of the cluster is left.
fn nothing(cluster: &Cluster, report: &mut Report, node: Node) {
    let outcome = wait::until_ok(SETTLE, || traces::nothing_made(cluster, at(node), &[]));
    report.check(&format!("{}: inactive, and nothing left", node.name()), outcome);
}
