//! Step 3: the printed lines as they stand; tokens that are rotated.

use super::{N1, N2, N3, N4, at, silent};
use crate::demo::cluster::{Cluster, SETTLE};
use crate::demo::join::join_line;
use crate::demo::report::Report;
use crate::demo::{roster, traces};
use crate::lab::wait;
use anyhow::{Result, bail};

/// `swarm init`, two joins, `node ls` on both sides, rotation.
///
/// # Errors
/// There is no cluster to go on with.
pub fn run(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let init = cluster.typed(at(N1), &format!("netctl swarm init --advertise-addr {}", N1.address()))?;
    let line = join_line(&init)?;
    for node in [N2, N3] {
        report.require(
            &format!("{}: This node joined a swarm as a worker.", node.name()),
            cluster.typed(at(node), &line).and_then(|text| says_worker(&text)),
        )?;
    }
    report.require(
        "node ls on n1: three Ready and Active, one Leader, * on n1",
        wait::until_ok(SETTLE, || three(cluster)),
    )?;
    report.check(
        "node ls on n2 is refused: not a manager",
        cluster.refused(at(N2), "netctl node ls", "not a swarm manager"),
    );
    rotation(cluster, report, "manager")?;
    rotation(cluster, report, "worker")?;
    report.check("the nodes that are in stay in", three(cluster));
    Ok(())
}

fn says_worker(text: &str) -> Result<String> {
    match text.trim() {
        "This node joined a swarm as a worker." => Ok(String::new()),
        other => bail!("{other}"),
    }
}

fn three(cluster: &Cluster) -> Result<String> {
    let rows = roster::rows(cluster, N1)?;
    let managers: Vec<&str> = rows.iter().map(|row| row.manager.as_str()).collect();
    let well = rows
        .iter()
        .all(|row| row.status == "Ready" && row.availability == "Active");
    let listed = cluster.quiet(at(N1), "netctl node ls")?;
    let starred: Vec<&str> = listed.lines().filter(|row| row.contains(" * ")).collect();
    let own_star = matches!(starred.as_slice(), [row] if row.contains(" n1 "));
    if managers == ["Leader", "", ""] && well && own_star {
        return Ok(String::new());
    }
    bail!("node ls shows:\n{listed}")
}

/// The old token of a role lets nobody in any more, the new one differs from it.
fn rotation(cluster: &Cluster, report: &mut Report, role: &str) -> Result<()> {
    let old = join_line(&cluster.quiet(at(N1), &format!("netctl swarm join-token {role}"))?)?;
    let new = join_line(&cluster.typed(at(N1), &format!("netctl swarm join-token --rotate {role}"))?)?;
    let differ = if old == new {
        Err(anyhow::anyhow!("{new}"))
    } else {
        Ok(String::new())
    };
    report.check(
        &format!("swarm join-token --rotate {role} prints another token"),
        differ,
    );
    report.check("the old one no longer joins", cluster.refused(at(N4), &old, "token"));
    report.check("and n4 has joined nothing", silent(traces::inactive(cluster, at(N4))));
    Ok(())
}
