//! Step 15: what tasks print, and what happened.

use super::{N1, at, silent};
use crate::demo::cluster::{Cluster, SETTLE};
use crate::demo::report::Report;
use crate::demo::traces;
use crate::lab::images::TOOLS;
use crate::lab::place::Place;
use crate::lab::wait;
use anyhow::{Result, bail};

/// Prints one line to each stream, then one every fifth of a second.
const SCRIPT: &str = "echo hello; echo trouble >&2; while sleep 0.2; do echo tick; done";

/// `service logs`, `events`, `service rm`.
///
/// # Errors
/// The service does not run.
pub fn run(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let create = format!("netctl service create --name chatty --replicas 3 {TOOLS} /bin/busybox sh -c '{SCRIPT}'");
    report.require("a service that prints", silent(cluster.typed(at(N1), &create)))?;
    report.require("it runs", cluster.await_replicas("chatty", 3))?;
    let lines = wait::until_ok(SETTLE, || {
        from_all(cluster, "netctl service logs chatty 2>/dev/null", "hello")
    });
    report.check("service logs chatty: hello of all three", lines);
    let errors = wait::until_ok(SETTLE, || {
        from_all(cluster, "netctl service logs chatty 2>&1 >/dev/null", "trouble")
    });
    report.check("standard error is told on standard error", errors);
    report.check("the lines are in the order of time", in_order(cluster));
    let followed = "timeout 3 netctl service logs -f --tail 1 chatty 2>/dev/null || true";
    report.check("service logs -f goes on", from_all(cluster, followed, "tick"));
    let events = "netctl events --since 10m --until 0s --filter service=chatty --filter event=create";
    report.check("events tell of its tasks", tasks_in(cluster, events));
    ended(cluster, report)?;
    report.check(
        "service rm chatty broken",
        silent(cluster.typed(at(N1), "netctl service rm chatty broken")),
    );
    for service in ["chatty", "broken"] {
        let ours = format!("docker ps -aq --filter label=com.docker.swarm.service.name={service}");
        for node in cluster.nodes() {
            let gone = wait::until_ok(SETTLE, || traces::none(cluster, at(node), &ours));
            report.check(&format!("{}: no container of {service} is left", node.name()), gone);
        }
    }
    Ok(())
}

/// Of tasks that have ended, too.
fn ended(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let victim = cluster.container("chatty")?;
    let kill = format!("docker kill {}", victim.id);
    report.require(
        "a task of chatty is killed",
        silent(cluster.typed(Place::Node(victim.node), &kill)),
    )?;
    report.require("it is replaced", wait::until_ok(SETTLE, || four_tasks(cluster)))?;
    let create =
        format!("netctl service create -d --name broken {TOOLS} /bin/busybox sh -c 'echo no database; exit 3'");
    report.require("a service that fails", silent(cluster.typed(at(N1), &create)))?;
    let told = wait::until_ok(SETTLE, || last_words(cluster));
    report.check("why broken tells what it printed last", told);
    Ok(())
}

/// Three run, one has ended.
fn four_tasks(cluster: &Cluster) -> Result<String> {
    let printed = cluster.quiet(at(N1), "netctl service logs chatty 2>/dev/null")?;
    let hello = |line: &&str| line.ends_with("| hello");
    match printed.lines().filter(hello).count() {
        4 => Ok(String::new()),
        count => bail!("hello of {count} tasks in:\n{printed}"),
    }
}

fn last_words(cluster: &Cluster) -> Result<String> {
    let told = cluster.quiet(at(N1), "netctl why broken || true")?;
    match told.lines().find(|line| line.trim() == "| no database") {
        Some(line) => Ok(line.trim().to_owned()),
        None => bail!("{told}"),
    }
}

/// Lines that end in `text`, of each of the three tasks.
fn from_all(cluster: &Cluster, line: &str, text: &str) -> Result<String> {
    let printed = cluster.quiet(at(N1), line)?;
    let of = |slot: u32| {
        let begin = format!("chatty.{slot}.");
        let fits = |line: &str| line.starts_with(&begin) && line.contains('@') && line.ends_with(&format!("| {text}"));
        printed.lines().any(fits)
    };
    match (1..=3).find(|slot| !of(*slot)) {
        None => Ok(printed.lines().next().unwrap_or_default().to_owned()),
        Some(slot) => bail!("nothing of chatty.{slot} in:\n{printed}"),
    }
}

fn in_order(cluster: &Cluster) -> Result<String> {
    let printed = cluster.quiet(at(N1), "netctl service logs -t chatty 2>&1")?;
    let times: Vec<&str> = printed.lines().filter_map(|line| line.split(' ').next()).collect();
    match times.is_sorted() && times.len() >= 6 {
        true => Ok(format!("{} lines", times.len())),
        false => bail!("not in order:\n{printed}"),
    }
}

fn tasks_in(cluster: &Cluster, line: &str) -> Result<String> {
    let printed = cluster.quiet(at(N1), line)?;
    let count = printed.lines().filter(|line| line.contains(" task create ")).count();
    match count {
        3.. => Ok(format!("{count} tasks")),
        _ => bail!("{count} tasks in:\n{printed}"),
    }
}
