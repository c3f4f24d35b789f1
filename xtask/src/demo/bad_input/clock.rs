//! Daemons whose clock is an hour off, from their start or from one moment to the next: they say so, and nothing is lost.

mod leader;
mod member;

use super::HOST;
use crate::demo::cluster::{Cluster, Container, SETTLE};
use crate::demo::report::Report;
use crate::demo::{join, roster, traces};
use crate::lab::images::TOOLS;
use crate::lab::layout::Node;
use crate::lab::place::Place;
use crate::lab::{clock, netd, wait};
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::time::Duration;

/// Leads.
const N1: Node = Node(1);
/// Joins for this story, and leaves after it.
const N2: Node = Node(2);
/// Runs on both.
const SERVICE: &str = "steadfast";
/// A restart delay of some seconds, and a bit. By a clock that is off it would be an hour.
const RESTARTED: Duration = Duration::from_secs(20);

/// A member's clock, then the leader's.
///
/// # Errors
/// There is nothing to go on with.
pub fn run(cluster: &Cluster, report: &mut Report) -> Result<()> {
    member::joins(cluster, report)?;
    let create = format!(
        "netctl service create -d --name {SERVICE} --mode global --restart-delay 4s -p 80:80 {TOOLS} probe whoami 80"
    );
    let created = cluster.typed(HOST, &create);
    report.require("a service on both nodes", created.map(|_| String::new()))?;
    member::serves(cluster, report)?;
    leader::leads(cluster, report)?;
    parts(cluster, report)
}

/// Everything goes that this story has made.
fn parts(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let gone = cluster.typed(HOST, &format!("netctl service rm {SERVICE}"));
    report.check("service rm", gone.map(|_| String::new()));
    let left = cluster.typed(Place::Node(N2), "netctl swarm leave");
    report.check("n2 leaves", left.map(|_| String::new()));
    let nothing = traces::nothing_made(cluster, Place::Node(N2), &[]);
    report.check("and nothing is left there", nothing);
    let forgotten = cluster.typed(HOST, "netctl node rm --force n2");
    report.check("node rm", forgotten.map(|_| String::new()));
    netd::end(N2, Signal::SIGTERM)
}

/// Says what the daemon's clock does from now on.
fn set(cluster: &Cluster, node: Node, off: &str) -> Result<()> {
    println!("   {}# the clock is set: {off}", node.name());
    clock::set(&cluster.record, node, off)
}

/// The daemon ends as it is told to, and starts by a clock that is off.
fn restart(cluster: &Cluster, node: Node, off: &str) -> Result<()> {
    println!("   {}# netd is restarted by a clock that is off: {off}", node.name());
    netd::end(node, Signal::SIGTERM)?;
    clock::start(&cluster.record, node, off)
}

/// The warning of a command's output that names a clock.
fn warned(cluster: &Cluster, on: Node, line: &str, wanted: &[&str]) -> Result<String> {
    // `status` also has an exit code, for problems: a clock is none.
    let warns = || {
        let text = cluster.quiet(Place::Node(on), &format!("{line} 2>&1"))?;
        let fits = |line: &&str| wanted.iter().all(|word| line.contains(word));
        let found = text.lines().find(fits).map(|line| line.trim().to_owned());
        found.with_context(|| format!("no line with {wanted:?} in:\n{text}"))
    };
    wait::until_ok(SETTLE, warns)
}

/// No command names a clock any more.
fn silent(cluster: &Cluster) -> Result<String> {
    let says_nothing = || {
        for node in [N1, N2] {
            let text = cluster.quiet(Place::Node(node), "netctl info 2>&1; netctl status 2>&1")?;
            if let Some(line) = text.lines().find(|line| line.contains("clock")) {
                bail!("{}: {line}", node.name());
            }
        }
        Ok(String::new())
    };
    wait::until_ok(SETTLE, says_nothing)
}

/// Both nodes are Ready and serve, each by the container that it had.
fn as_before(cluster: &Cluster, before: &BTreeSet<Container>) -> Result<String> {
    for node in [N1, N2] {
        wait::until_ok(SETTLE, || roster::has_status(cluster, N1, node, "Ready"))?;
        cluster.port_answers(node)?;
    }
    let now = cluster.containers(SERVICE)?;
    match now == *before && now.len() == 2 {
        true => Ok("both Ready, same containers, the port answers".to_owned()),
        false => bail!("there were {before:?}, there are {now:?}"),
    }
}

/// The container of n2 dies, and another one runs before long; meanwhile something may happen.
fn replaced(cluster: &Cluster, meanwhile: impl FnOnce() -> Result<()>) -> Result<String> {
    let place = Place::Node(N2);
    let old = cluster.containers_on(SERVICE, &[N2])?;
    let id = &old.first().context("n2 runs none")?.id;
    cluster.quiet(place, &format!("docker kill {id}"))?;
    let line = format!("netctl service ps {SERVICE} | grep ' n2 ' | grep ' Ready '");
    wait::until_ok(SETTLE, || cluster.quiet(HOST, &line)).context("no task waits for its delay")?;
    let begun = std::time::Instant::now();
    meanwhile()?;
    wait::until_ok(RESTARTED, || match cluster.containers_on(SERVICE, &[N2])? {
        now if now.len() == 1 && now != old => Ok(()),
        now => bail!("there is {now:?}"),
    })?;
    Ok(format!("{:.1} s", begun.elapsed().as_secs_f64()))
}

/// Succeeds when all tasks run.
fn both_run(cluster: &Cluster) -> Result<BTreeSet<Container>> {
    cluster.await_replicas(SERVICE, 2)?;
    cluster.containers(SERVICE)
}

/// The line that lets a worker in.
fn join_line(cluster: &Cluster) -> Result<String> {
    join::join_line(&cluster.quiet(HOST, "netctl swarm join-token worker")?)
}
