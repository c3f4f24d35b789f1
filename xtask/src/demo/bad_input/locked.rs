//! A manager that waits for its unlock key, and keys that are not it.

use super::{HOST, Refusal, all_refused, unchanged};
use crate::demo::cluster::{Cluster, SETTLE};
use crate::demo::report::Report;
use crate::lab::layout::Node;
use crate::lab::{netd, wait};
use anyhow::Result;
use nix::sys::signal::Signal;

/// A key of the right form, of no swarm.
const WRONG: &[Refusal] = &[
    ("netctl node ls", &["encrypted", "netctl swarm unlock"]),
    (
        "echo SWMKEY-1-7c37Cc8654o6p38HnroywCi19pllOnGtbdZEgtKxZu8 | netctl swarm unlock",
        &["invalid key provided", "not the unlock key of this swarm"],
    ),
    (
        "echo sesame | netctl swarm unlock",
        &["SWMKEY-1-", "netctl swarm unlock-key"],
    ),
    ("netctl node ls", &["encrypted", "netctl swarm unlock"]),
];

/// Autolock on, a restart, wrong keys, the right one; nothing is lost.
///
/// # Errors
/// The daemon does not come back.
pub fn run(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let lists = "netctl service ls; netctl network ls; netctl node ls";
    let before = cluster.quiet(HOST, lists)?;
    let locked = cluster.typed(HOST, "netctl swarm update --autolock");
    report.require("autolock is on", locked.map(|_| String::new()))?;
    let key = cluster.quiet(HOST, "netctl swarm unlock-key -q")?;
    println!("   n1# netd is restarted");
    netd::end(Node(1), Signal::SIGTERM)?;
    netd::start(&cluster.record, Node(1))?;
    all_refused(cluster, report, WRONG);
    let opened = cluster.quiet(HOST, &format!("echo {} | netctl swarm unlock", key.trim()));
    report.require("the right key opens it", opened.map(|_| String::new()))?;
    let same = wait::until_ok(SETTLE, || unchanged(cluster, lists, &before));
    report.check("nothing is lost", same);
    let off = cluster.typed(HOST, "netctl swarm update --autolock=false");
    report.check("autolock is off again", off.map(|_| String::new()));
    Ok(())
}
