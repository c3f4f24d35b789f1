//! The leader by a wrong clock: nobody is given up, commands are answered, delays are as long as they are.

use super::{N1, N2, as_before, both_run, replaced, restart, set, silent, warned};
use crate::demo::bad_input::HOST;
use crate::demo::cluster::Cluster;
use crate::demo::report::Report;
use crate::demo::roster;
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};

/// Longer than the leader takes to see that a node is overdue.
const LOOKED_AT: Duration = Duration::from_secs(4);

/// The clock jumps ahead, is ahead at a start, jumps two hours back, and is right again.
///
/// # Errors
/// The leader does not come back.
pub fn leads(cluster: &Cluster, report: &mut Report) -> Result<()> {
    restart(cluster, N1, "+0")?;
    let before = both_run(cluster)?;
    report.check(
        "the leader comes back by a clock that can be set",
        as_before(cluster, &before),
    );
    set(cluster, N1, "+1h")?;
    report.check("its clock jumps an hour ahead: nobody is Down", stays_ready(cluster));
    report.check("and nothing was lost", as_before(cluster, &before));
    let said = warned(cluster, N2, "netctl info", &["1 h behind the manager's", "NTP"]);
    report.check("the worker says which way the clocks differ", said);
    restart(cluster, N1, "+1h")?;
    report.check("it starts an hour ahead: nothing was lost", as_before(cluster, &before));
    commands(cluster, report);
    let again = replaced(cluster, || set(cluster, N1, "-1h"));
    report.check("two hours back while a task waits: it does not wait for hours", again);
    let before = both_run(cluster)?;
    let said = warned(cluster, N2, "netctl info", &["1 h ahead of the manager's", "NTP"]);
    report.check("the worker says which way the clocks differ now", said);
    report.check("an hour behind nothing was lost", as_before(cluster, &before));
    commands(cluster, report);
    set(cluster, N1, "+0")?;
    report.check("with the right clock no clock is named", silent(cluster));
    report.check("and nothing was lost", as_before(cluster, &before));
    Ok(())
}

/// A service comes, is seen to run and goes.
fn commands(cluster: &Cluster, report: &mut Report) {
    let create = "netctl service create -d --name passing netctl/tools sleep infinity";
    let run = cluster.typed(HOST, create);
    let run = run.and_then(|_| cluster.await_replicas("passing", 1));
    report.check("commands are answered, and a new service runs", run);
    let gone = cluster.typed(HOST, "netctl service rm passing");
    report.check("and goes", gone.map(|_| String::new()));
}

/// `node ls` answers, and shows no node as Down, for as long as the leader takes to look at all of them.
fn stays_ready(cluster: &Cluster) -> Result<String> {
    let end = Instant::now() + LOOKED_AT;
    let mut looks = 0;
    while Instant::now() < end {
        let rows = roster::rows(cluster, N1)?;
        ensure!(
            rows.len() == 2 && rows.iter().all(|row| row.status != "Down"),
            "{rows:?}"
        );
        looks += 1;
    }
    Ok(format!("looked at {looks} times"))
}
