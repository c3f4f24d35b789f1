//! A node dies: the others stop sending to it, its tasks run elsewhere.

use super::{N1, N2, N3, SERVICE, all_run_on};
use crate::demo::bound::{self, within};
use crate::demo::cluster::{Cluster, SETTLE, finish};
use crate::demo::report::Report;
use crate::demo::roster;
use crate::knock;
use crate::lab::faults::power;
use crate::lab::layout::Node;
use crate::lab::place::Place;
use crate::lab::{netd, wait};
use anyhow::{Context, Result, bail};
use std::process::Child;
use std::time::{Duration, Instant, SystemTime};

/// How long the client knocks; the node dies soon after its start.
pub const KNOCKING: Duration = Duration::from_secs(12);
/// Knocks that fail this shortly before their end would mean that they never ceased to.
const CALM: Duration = Duration::from_secs(2);

/// n3 loses its power.
///
/// # Errors
/// It has no task, or does not come back.
pub fn run(cluster: &mut Cluster, report: &mut Report) -> Result<()> {
    if cluster.containers_on(SERVICE, &[N3])?.is_empty() {
        bail!("n3 has no task of {SERVICE}: its death would show nothing");
    }
    let knocks = [N1, N2].map(|node| Ok((node, start_knocking(cluster, node, KNOCKING)?)));
    let knocks: Vec<(Node, Child)> = knocks.into_iter().collect::<Result<_>>()?;
    std::thread::sleep(Duration::from_secs(1));
    println!("   n3 loses its power");
    let (fault, start) = (SystemTime::now(), Instant::now());
    power::cut(N3)?;
    let moved = wait::until_ok(SETTLE, || all_run_on(cluster, &[N1, N2]));
    let moved = moved.and_then(|_| within(bound::TASKS, start.elapsed()));
    report.check("its tasks run elsewhere", moved);
    for (node, child) in knocks {
        let claim = format!("port 80 of {} leads to it no more", node.name());
        let told = finish(child).and_then(|printed| ceased(&printed, fault));
        report.check(
            &claim,
            told.and_then(|ms| within(bound::CONNECTIONS, Duration::from_millis(ms))),
        );
    }
    power::restore(&mut cluster.record, N3)?;
    netd::start(&cluster.record, N3)?;
    let ready = wait::until_ok(SETTLE, || roster::has_status(cluster, N1, N3, "Ready"));
    report.require("it comes back: Ready", ready)
}

/// Starts knocking at port 80 of a node from outside.
///
/// # Errors
/// It cannot be started.
pub fn start_knocking(cluster: &Cluster, node: Node, time: Duration) -> Result<Child> {
    let exe = std::env::current_exe()?.display().to_string();
    let line = format!("{exe} knock {}:80 {}", node.address(), time.as_secs());
    cluster.background(Place::Client, &line)
}

/// Milliseconds from the fault to the last knock that failed.
///
/// # Errors
/// None failed, which shows nothing, or they never ceased to fail.
pub fn ceased(printed: &str, fault: SystemTime) -> Result<u64> {
    let last = knock::last_unanswered(printed, fault)?.context("no knock failed: the fault did not bite")?;
    let all = KNOCKING.saturating_sub(CALM).as_millis() as u64;
    if last > all {
        bail!("they still fail after {last} ms");
    }
    Ok(last)
}
