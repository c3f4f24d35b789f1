//! Step 13: three managers, and what they survive; then four, which survive no more.

use super::{N1, N2, N3, N4, at, moves, root, silent};
use crate::demo::bound::{self, within};
use crate::demo::cluster::{Cluster, SETTLE};
use crate::demo::join::join_line;
use crate::demo::report::Report;
use crate::demo::roster;
use crate::lab::images::TOOLS;
use crate::lab::layout::Node;
use crate::lab::{netd, wait};
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use std::time::Instant;

/// What docker says without a majority.
const NO_QUORUM: &str = "more than half of the managers";

/// Promotes, kills, brings back, demotes.
///
/// # Errors
/// There is no set of managers to go on with.
pub fn run(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let create = format!("netctl service create --name web --replicas 2 -p 80:80 {TOOLS} probe whoami 80");
    report.require(
        "a service with a published port",
        silent(cluster.typed(at(N1), &create)),
    )?;
    report.require("it runs", cluster.await_replicas("web", 2))?;
    promote(cluster, report)?;
    majority_lost(cluster, report, &[N1, N2, N3])?;
    root::run(cluster, report)?;
    moves::run(cluster, report)?;
    four(cluster, report)?;
    demote(cluster, report)?;
    report.check("service rm web", silent(cluster.typed(at(N1), "netctl service rm web")));
    Ok(())
}

fn promote(cluster: &Cluster, report: &mut Report) -> Result<()> {
    report.require(
        "node promote n2",
        silent(cluster.typed(at(N1), "netctl node promote n2")),
    )?;
    let two = wait::until_ok(SETTLE, || warned(cluster));
    report.check("two managers: node ls says that this is worse than one", two);
    report.require(
        "node promote n3",
        silent(cluster.typed(at(N1), "netctl node promote n3")),
    )?;
    let three = wait::until_ok(SETTLE, || managers(cluster, N1, 2));
    report.require("three managers, one Leader, two Reachable", three)?;
    for node in [N2, N3] {
        let listed = wait::until_ok(SETTLE, || managers(cluster, node, 2));
        report.require(&format!("node ls works on {}", node.name()), listed)?;
    }
    Ok(())
}

fn warned(cluster: &Cluster) -> Result<String> {
    let text = cluster.quiet(at(N1), "netctl node ls 2>&1")?;
    let line = text.lines().find(|line| line.contains("two managers"));
    Ok(line.with_context(|| format!("node ls shows:\n{text}"))?.to_owned())
}

/// One Leader, and so many others Reachable.
fn managers(cluster: &Cluster, on: Node, others: usize) -> Result<String> {
    let rows = roster::rows(cluster, on)?;
    let count = |word: &str| rows.iter().filter(|row| row.manager == word).count();
    match (count("Leader"), count("Reachable")) {
        (1, reachable) if reachable == others => Ok(String::new()),
        _ => bail!("{rows:?}"),
    }
}

/// Managers die one after the other until there is no majority; all come back.
fn majority_lost(cluster: &Cluster, report: &mut Report, managers: &[Node]) -> Result<()> {
    let mut living = managers.to_vec();
    let mut dead = Vec::new();
    let majority = managers.len() / 2 + 1;
    while living.len() > majority {
        dead.push(kill_leader(cluster, report, &mut living)?);
    }
    let leader = wait::until_ok(SETTLE, || roster::leader(cluster, &living))?;
    println!("   one more manager dies: {}", leader.name());
    netd::end(leader, Signal::SIGKILL)?;
    living.retain(|node| *node != leader);
    dead.push(leader);
    let left = living.first().copied().context("nobody is left")?;
    for line in ["netctl service ls", "netctl service scale web=3"] {
        let start = Instant::now();
        let refusal = cluster.refused(at(left), line, NO_QUORUM);
        let told = refusal.and_then(|_| within(bound::REFUSAL, start.elapsed()));
        report.check("refused for lack of a majority", told);
    }
    for node in managers {
        let answers = wait::until_ok(SETTLE, || cluster.port_answers(*node));
        report.check(&format!("port 80 of {} still answers", node.name()), answers);
    }
    println!("   all come back");
    for node in dead {
        netd::start(&cluster.record, node)?;
    }
    let works = wait::until_ok(SETTLE, || silent(cluster.quiet(at(left), "netctl service scale web=2")));
    report.require("commands work again", works)?;
    let reachable = wait::until_ok(SETTLE, || self::managers(cluster, left, managers.len() - 1));
    report.require("all managers are Reachable", reachable)
}

/// Kills the leader; the others get on without it.
fn kill_leader(cluster: &Cluster, report: &mut Report, living: &mut Vec<Node>) -> Result<Node> {
    let leader = wait::until_ok(SETTLE, || roster::leader(cluster, living))?;
    println!("   the leader dies: {}", leader.name());
    netd::end(leader, Signal::SIGKILL)?;
    living.retain(|node| *node != leader);
    let start = Instant::now();
    let next = wait::until_ok(SETTLE, || match roster::leader(cluster, living)? {
        old if old == leader => bail!("{} is still shown as the leader", old.name()),
        next => Ok(next),
    })?;
    let told = within(bound::LEADER, start.elapsed());
    report.check("another one leads", told.map(|told| format!("{} {told}", next.name())));
    let scale = silent(cluster.typed(at(next), "netctl service scale web=2"));
    report.check("commands work on it", scale);
    Ok(leader)
}

/// With four managers one may die; with two dead, commands are refused.
fn four(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let line = join_line(&cluster.quiet(at(N1), "netctl swarm join-token manager")?)?;
    report.require("n4 joins as a manager", silent(cluster.typed(at(N4), &line)))?;
    let four = wait::until_ok(SETTLE, || managers(cluster, N1, 3));
    report.require("four managers, one Leader, three Reachable", four)?;
    majority_lost(cluster, report, &[N1, N2, N3, N4])
}

fn demote(cluster: &Cluster, report: &mut Report) -> Result<()> {
    for node in [N4, N3, N2] {
        let name = node.name();
        report.require(
            &format!("node demote {name}"),
            silent(cluster.typed(at(N1), &format!("netctl node demote {name}"))),
        )?;
        let refused = wait::until_ok(SETTLE, || {
            cluster.refused(at(node), "netctl node ls", "not a swarm manager")
        });
        report.check(&format!("{name} is a manager no more"), refused);
    }
    report.require(
        "n1 alone is a manager",
        wait::until_ok(SETTLE, || managers(cluster, N1, 0)),
    )?;
    report.check(
        "the last manager is not demoted",
        cluster.refused(at(N1), "netctl node demote n1", "last manager"),
    );
    Ok(())
}
