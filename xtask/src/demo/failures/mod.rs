//! What nodes suffer: bad wires, power cuts, engines that restart, no manager
//! in reach.

mod loss;

use super::cluster::Cluster;
use super::join;
use super::report::Report;
use anyhow::Result;
use std::time::Duration;

/// Long enough for many grace periods; the soak takes longer.
const LOSS: Duration = Duration::from_secs(15);

/// Everything, one after the other, in one cluster.
///
/// # Errors
/// There is no cluster to go on with.
pub fn run(cluster: &mut Cluster, report: &mut Report) -> Result<()> {
    join::form(cluster)?;
    report.step(1, "5 % of all packets are lost");
    loss::run(cluster, report, LOSS)
}
