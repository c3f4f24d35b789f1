//! A node boots while no manager is in reach: it serves what it saved.

use super::{N1, N2, SERVICE, all_run};
use crate::demo::cluster::{Cluster, SETTLE};
use crate::demo::report::Report;
use crate::demo::roster;
use crate::lab::faults::power;
use crate::lab::{netd, wait};
use anyhow::{Result, bail};
use nix::sys::signal::Signal;

/// The only manager is dead; n2 loses its power and boots.
///
/// # Errors
/// A node does not boot.
pub fn run(cluster: &mut Cluster, report: &mut Report) -> Result<()> {
    let own = cluster.containers_on(SERVICE, &[N2])?.len();
    if own == 0 {
        bail!("n2 has no task of {SERVICE}: there is nothing to boot with");
    }
    println!("   the manager dies, and n2 loses its power");
    netd::end(N1, Signal::SIGKILL)?;
    power::cut(N2)?;
    power::restore(&mut cluster.record, N2)?;
    netd::start(&cluster.record, N2)?;
    let back = wait::until_ok(SETTLE, || match cluster.containers_on(SERVICE, &[N2])?.len() {
        count if count == own => Ok(format!("{count} tasks")),
        count => bail!("{count} of {own} run"),
    });
    report.check("n2 runs its tasks again, without a manager", back);
    report.check(
        "port 80 of n2 answers",
        wait::until_ok(SETTLE, || cluster.port_answers(N2)),
    );
    println!("   the manager comes back");
    netd::start(&cluster.record, N1)?;
    let ready = wait::until_ok(SETTLE, || roster::has_status(cluster, N1, N2, "Ready"));
    report.check("n2 is Ready again", ready);
    report.check("each replica runs once", wait::until_ok(SETTLE, || all_run(cluster)));
    Ok(())
}
