//! Updates, rollbacks, scaling and a drain while clients go on asking: not one
//! request is lost.
//!
//! The server answers what was asked before it ends (`examples/steady`), as a
//! server should; everything else is the cluster's doing. The clients never ask
//! again for what they did not get.

use super::cluster::{Cluster, SETTLE, figure, finish};
use super::join;
use super::report::Report;
use crate::lab::images::{STEADY, STEADY_2, TOOLS};
use crate::lab::layout::Node;
use crate::lab::place::Place;
use crate::lab::{images, wait};
use anyhow::{Context, Result, bail};
use std::process::Child;
use std::time::{Duration, Instant};

const N1: Place = Place::Node(Node(1));
const N2: Node = Node(2);
const REPLICAS: usize = 10;
const FEWER: usize = 6;
/// Of each of the four kinds of clients.
const RATE: u64 = 125;
/// How long they ask.
const SECONDS: u64 = 80;
/// The goal.
const REQUESTS: u64 = 30_000;

/// Clients of one kind.
struct Load {
    what: &'static str,
    child: Child,
}

/// Everything, one after the other, under one load.
///
/// # Errors
/// There is no cluster to go on with.
pub fn run(cluster: &mut Cluster, report: &mut Report) -> Result<()> {
    join::form(cluster)?;
    for line in [
        "netctl network create shop".to_owned(),
        format!("netctl service create --name steady --replicas {REPLICAS} --network shop -p 8080:80 {STEADY}"),
        format!(
            "netctl service create --name tools --network shop --constraint node.hostname==n3 {TOOLS} sleep infinity"
        ),
    ] {
        report.require(&line, cluster.typed(N1, &line).map(|_| String::new()))?;
    }
    for (name, replicas) in [("steady", REPLICAS), ("tools", 1)] {
        report.require(&format!("{name} runs"), cluster.await_replicas(name, replicas))?;
    }
    let began = Instant::now();
    let loads = loads(cluster)?;
    for (claim, step) in steps() {
        let outcome = timed(|| step(cluster));
        report.check(claim, outcome);
    }
    let took = began.elapsed();
    report.check("all of it under load", within(took));
    let mut good = 0;
    for load in loads {
        let seen = finish(load.child).and_then(|text| lost_nothing(&text));
        good += seen.as_ref().map_or(0, |(good, _)| *good);
        report.check(&format!("nothing lost: {}", load.what), seen.map(|(_, words)| words));
    }
    report.check("requests in all", enough(good));
    Ok(())
}

type Step = fn(&Cluster) -> Result<()>;

fn steps() -> [(&'static str, Step); 4] {
    [
        ("a rolling update of ten tasks", |cluster| {
            typed(cluster, &format!("netctl service update --image {STEADY_2} steady"))
        }),
        ("a rollback", |cluster| typed(cluster, "netctl service rollback steady")),
        ("fewer tasks", |cluster| {
            typed(cluster, &format!("netctl service scale steady={FEWER}"))?;
            let fewer = || match cluster.containers("steady")?.len() {
                FEWER => Ok(()),
                count => bail!("{count} containers"),
            };
            wait::until_ok(SETTLE, fewer)
        }),
        ("a node is drained", |cluster| {
            typed(cluster, "netctl node update --availability drain n2")?;
            let empty = || match cluster.containers_on("steady", &[N2])?.len() {
                0 => Ok(()),
                count => bail!("{count} containers on n2"),
            };
            wait::until_ok(SETTLE, empty)?;
            cluster.await_replicas("steady", FEWER).map(|_| ())
        }),
    ]
}

fn typed(cluster: &Cluster, line: &str) -> Result<()> {
    cluster.typed(N1, line).map(|_| ())
}

/// Clients from outside through a node's published port, and inside by the
/// service's name and by those of its tasks.
fn loads(cluster: &Cluster) -> Result<Vec<Load>> {
    let tools = cluster.container("tools")?;
    let probe = images::probe().display().to_string();
    let outside = format!("{probe} steady {} 8080 {RATE} {SECONDS}", Node(1).address());
    let inside = format!("docker exec {} probe steady", tools.id);
    let at = Place::Node(tools.node);
    let lines = [
        (
            "published port, connections kept",
            Place::Client,
            format!("{outside} keep"),
        ),
        (
            "published port, one connection each",
            Place::Client,
            format!("{outside} connect"),
        ),
        (
            "virtual IP, connections kept",
            at,
            format!("{inside} steady 80 {RATE} {SECONDS} keep"),
        ),
        (
            "tasks.steady, one connection each",
            at,
            format!("{inside} tasks.steady 80 {RATE} {SECONDS} connect"),
        ),
    ];
    let start = |(what, place, line): (&'static str, Place, String)| {
        let child = cluster.background(place, &line)?;
        Ok(Load { what, child })
    };
    lines.into_iter().map(start).collect()
}

fn timed(step: impl FnOnce() -> Result<()>) -> Result<String> {
    let began = Instant::now();
    step()?;
    Ok(format!("{:.1} s", began.elapsed().as_secs_f64()))
}

fn within(took: Duration) -> Result<String> {
    let words = format!("{:.1} s of {SECONDS} s", took.as_secs_f64());
    if took < Duration::from_secs(SECONDS) {
        Ok(words)
    } else {
        bail!("{words}")
    }
}

fn lost_nothing(text: &str) -> Result<(u64, String)> {
    let read = |name: &str| figure(text, name).with_context(|| format!("no {name} in {text}"));
    let (good, failed, tasks) = (read("good")?, read("failed")?, read("tasks")?);
    let slowest = read("slowest_ms")?;
    let words = format!("{good} good, {failed} lost, {tasks} tasks, slowest {slowest} ms");
    if good > 0 && failed == 0 {
        return Ok((good, words));
    }
    let failures = text.lines().filter(|line| line.starts_with("failure "));
    bail!("{words}: {}", failures.collect::<Vec<_>>().join("; "))
}

fn enough(good: u64) -> Result<String> {
    if good >= REQUESTS {
        Ok(good.to_string())
    } else {
        bail!("{good} of {REQUESTS}")
    }
}
