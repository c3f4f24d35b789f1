//! A worker by a wrong clock: it joins or hears why not, serves, and is named.

use super::{N1, N2, as_before, both_run, join_line, replaced, restart, set, silent, warned};
use crate::demo::cluster::{Cluster, SETTLE};
use crate::demo::report::Report;
use crate::demo::{roster, traces};
use crate::lab::place::Place;
use crate::lab::{clock, wait};
use anyhow::Result;

/// Refused by a clock that is too far behind, let in by one that is an hour behind.
///
/// # Errors
/// The node does not join.
pub fn joins(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let (place, line) = (Place::Node(N2), join_line(cluster)?);
    println!("   n2# netd & by a clock that is off: -3h");
    clock::start(&cluster.record, N2, "-3h")?;
    let words = ["the clock of this host is at least", "behind the manager's", "NTP"];
    let refused = cluster.refused_naming(place, &line, &words);
    report.check("a clock that is three hours behind: join is refused", refused);
    report.check("and nothing is half-made", traces::nothing_made(cluster, place, &[]));
    set(cluster, N2, "-1h")?;
    let joined = cluster.typed(place, &line).map(|text| text.trim().to_owned());
    report.require("one that is an hour behind: it joins", joined)?;
    let ready = wait::until_ok(SETTLE, || roster::has_status(cluster, N1, N2, "Ready"));
    report.require("and is Ready", ready)
}

/// Serves by a clock that is an hour behind, then ahead, then right.
///
/// # Errors
/// The service does not run.
pub fn serves(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let before = both_run(cluster);
    report.require("it runs", before.map(|_| String::new()))?;
    off(cluster, report, &["1 h behind the manager's", "NTP"]);
    let again = replaced(cluster, || Ok(()));
    report.check("what dies there is replaced after its delay, not after an hour", again);
    let before = both_run(cluster)?;
    set(cluster, N2, "+1h")?;
    off(cluster, report, &["1 h ahead of the manager's", "NTP"]);
    report.check("it goes on serving", as_before(cluster, &before));
    restart(cluster, N2, "+1h")?;
    off(cluster, report, &["1 h ahead of the manager's", "NTP"]);
    report.check("it comes back as it was", as_before(cluster, &before));
    set(cluster, N2, "+0")?;
    report.check("with the right clock no clock is named", silent(cluster));
    report.check("and nothing was lost", as_before(cluster, &before));
    Ok(())
}

/// The node says that its clock is off, and the manager says which node's.
fn off(cluster: &Cluster, report: &mut Report, words: &[&str]) {
    let claim = |line: &str| format!("{line} names the clock: {}", words[0]);
    for line in ["netctl info", "netctl status"] {
        let said = warned(cluster, N2, line, words);
        report.check(&format!("on n2 {}", claim(line)), said);
    }
    let words = [&["node n2"], words].concat();
    let said = warned(cluster, N1, "netctl status", &words);
    report.check("on n1 netctl status names the node", said);
}
