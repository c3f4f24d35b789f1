//! Wires that lose 5 % of all packets: no node is taken for dead.

use crate::demo::cluster::Cluster;
use crate::demo::report::Report;
use crate::demo::roster;
use crate::lab::faults::wires::Wires;
use crate::lab::layout::Node;
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

const SHARE: f64 = 0.05;
const LOOK: Duration = Duration::from_millis(250);

/// As [`stay_ready`], as a claim.
pub fn claim(cluster: &Cluster, report: &mut Report, time: Duration) {
    let claim = format!("no node is shown Down for {} s", time.as_secs());
    report.check(&claim, stay_ready(cluster, time));
}

/// Loses packets between all nodes for `time` and looks at `node ls` all the while.
///
/// # Errors
/// A node is not shown Ready, or the wires do not break.
pub fn stay_ready(cluster: &Cluster, time: Duration) -> Result<String> {
    let mut wires = Wires::attach(&cluster.record)?;
    wires.lose_among(&cluster.nodes().collect::<Vec<_>>(), SHARE)?;
    let steady = all_stay_ready(cluster, time);
    match (wires.mend()?, steady?) {
        (0, _) => bail!("no packet was lost: the wires were whole"),
        (lost, looks) => Ok(format!("{lost} packets lost, {looks} looks at node ls")),
    }
}

fn all_stay_ready(cluster: &Cluster, time: Duration) -> Result<u32> {
    let start = Instant::now();
    let mut looks = 0;
    while start.elapsed() < time {
        let rows = roster::rows(cluster, Node(1))?;
        if let Some(row) = rows.iter().find(|row| row.status != "Ready") {
            bail!("after {:.1} s: {row:?}", start.elapsed().as_secs_f64());
        }
        looks += 1;
        std::thread::sleep(LOOK);
    }
    Ok(looks)
}
