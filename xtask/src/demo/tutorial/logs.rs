//! Step 15: what tasks print, and what happened.

use super::{N1, at, silent};
use crate::demo::cluster::{Cluster, SETTLE};
use crate::demo::report::Report;
use crate::demo::traces;
use crate::lab::images::TOOLS;
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
    report.check(
        "service rm chatty",
        silent(cluster.typed(at(N1), "netctl service rm chatty")),
    );
    let ours = "docker ps -aq --filter label=com.docker.swarm.service.name=chatty";
    for node in cluster.nodes() {
        let gone = wait::until_ok(SETTLE, || traces::none(cluster, at(node), ours));
        report.check(&format!("{}: none of its containers is left", node.name()), gone);
    }
    Ok(())
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
