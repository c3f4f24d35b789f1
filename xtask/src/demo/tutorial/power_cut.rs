//! Step 10: n3 loses its power and gets it back.

use super::{N1, N2, N3, at, silent};
use crate::demo::bound::{self, within};
use crate::demo::cluster::{Cluster, SETTLE};
use crate::demo::report::Report;
use crate::demo::roster;
use crate::lab::faults::power;
use crate::lab::images::TOOLS;
use crate::lab::layout::Node;
use crate::lab::{netd, wait};
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

const REPLICAS: usize = 4;
/// A node that moved something back would have done it by then.
const WATCH: Duration = Duration::from_secs(8);

/// Tasks move, ports answer; the node comes back and nothing moves to it.
///
/// # Errors
/// The service does not come up, or the node does not boot.
pub fn run(cluster: &mut Cluster, report: &mut Report) -> Result<()> {
    let create = format!("netctl service create --name myweb --replicas {REPLICAS} -p 80:80 {TOOLS} probe whoami 80");
    report.require("service create myweb", silent(cluster.typed(at(N1), &create)))?;
    report.require("myweb runs", cluster.await_replicas("myweb", REPLICAS))?;
    report.require("n3 has a task of it", some_on(cluster, N3))?;
    println!("   n3 loses its power");
    let start = Instant::now();
    power::cut(N3)?;
    let moved = wait::until_ok(SETTLE, || all_on(cluster, &[N1, N2]));
    let moved = moved.and_then(|_| within(bound::TASKS, start.elapsed()));
    report.check("its tasks run elsewhere", moved);
    for node in [N1, N2] {
        let answers = wait::until_ok(SETTLE, || cluster.port_answers(node));
        report.check(&format!("port 80 of {} answers every request", node.name()), answers);
    }
    report.check("node ls: n3 Down", roster::has_status(cluster, N1, N3, "Down"));
    println!("   n3 has power again");
    power::restore(&mut cluster.record, N3)?;
    netd::start(&cluster.record, N3)?;
    let ready = wait::until_ok(SETTLE, || roster::has_status(cluster, N1, N3, "Ready"));
    report.require("n3 comes back: Ready", ready)?;
    std::thread::sleep(WATCH);
    report.check("nothing moves back by itself", all_on(cluster, &[N1, N2]));
    let stale = wait::until_ok(SETTLE, || nothing_runs(cluster));
    report.check("of what n3 ran before nothing runs", stale);
    report.check(
        "port 80 of n3 answers",
        wait::until_ok(SETTLE, || cluster.port_answers(N3)),
    );
    report.check(
        "service rm myweb",
        silent(cluster.typed(at(N1), "netctl service rm myweb")),
    );
    Ok(())
}

fn some_on(cluster: &Cluster, node: Node) -> Result<String> {
    match cluster.containers_on("myweb", &[node])?.len() {
        0 => bail!("none"),
        count => Ok(count.to_string()),
    }
}

/// All replicas run on these nodes.
fn all_on(cluster: &Cluster, nodes: &[Node]) -> Result<String> {
    let found = cluster.containers_on("myweb", nodes)?;
    if found.len() == REPLICAS {
        return Ok(String::new());
    }
    bail!("{} of {REPLICAS} run there", found.len())
}

fn nothing_runs(cluster: &Cluster) -> Result<String> {
    let all = cluster.quiet(
        at(N3),
        "docker ps -q --filter label=com.docker.swarm.service.name=myweb",
    )?;
    match all.trim() {
        "" => Ok(String::new()),
        ids => bail!("{}", ids.replace('\n', " ")),
    }
}
