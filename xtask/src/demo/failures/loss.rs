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

/// Loses packets between all nodes for `time` and looks at `node ls` all the while.
///
/// # Errors
/// The wires do not break.
pub fn run(cluster: &Cluster, report: &mut Report, time: Duration) -> Result<()> {
    let mut wires = Wires::attach(&cluster.record)?;
    wires.lose_among(&cluster.nodes().collect::<Vec<_>>(), SHARE)?;
    let steady = all_stay_ready(cluster, time);
    let lost = wires.mend()?;
    let bitten = match lost {
        0 => bail!("no packet was lost: the wires were whole"),
        lost => steady.map(|looks| format!("{lost} packets lost, {looks} looks at node ls")),
    };
    report.check(&format!("no node is shown Down for {} s", time.as_secs()), bitten);
    Ok(())
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
