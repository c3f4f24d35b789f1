//! Steady clients of a server that ends as it should (`examples/steady`), through all doors: whatever the cluster does
//! meanwhile, not one request may be lost. The clients never ask again for what they did not get.

use super::cluster::{Cluster, SETTLE, figure, finish};
use super::join;
use super::report::Report;
use crate::lab::images::{STEADY, TOOLS};
use crate::lab::layout::Node;
use crate::lab::place::Place;
use crate::lab::{images, wait};
use anyhow::{Context, Result, bail};
use std::process::Child;
use std::time::{Duration, Instant};

const N1: Place = Place::Node(Node(1));

/// A cluster with the service `steady` of so many tasks, published on port 8080, and `tools` beside it on n3.
///
/// # Errors
/// There is no cluster to go on with.
pub fn deploy(cluster: &Cluster, report: &mut Report, replicas: usize, more: &str) -> Result<()> {
    join::form(cluster)?;
    for line in [
        "netctl network create shop".to_owned(),
        format!("netctl service create --name steady --replicas {replicas} --network shop -p 8080:80 {more} {STEADY}"),
        format!(
            "netctl service create --name tools --network shop --constraint node.hostname==n3 {TOOLS} sleep infinity"
        ),
    ] {
        report.require(&line, cluster.typed(N1, &line).map(|_| String::new()))?;
    }
    for (name, replicas) in [("steady", replicas), ("tools", 1)] {
        report.require(&format!("{name} runs"), cluster.await_replicas(name, replicas))?;
    }
    Ok(())
}

/// Waits until `steady` has so many containers, on some nodes.
///
/// # Errors
/// Not in time.
pub fn await_containers(cluster: &Cluster, nodes: &[Node], wanted: usize) -> Result<()> {
    let counted = || match cluster.containers_on("steady", nodes)?.len() {
        count if count == wanted => Ok(()),
        count => bail!("{count} containers"),
    };
    wait::until_ok(SETTLE, counted)
}

/// What clients go through, where they are, and what they run.
type Line = (&'static str, Place, String);

/// Clients of one kind.
struct Load {
    what: &'static str,
    child: Child,
}

/// Clients from outside through a node's published port, and inside by the service's name and by those of its tasks.
pub struct Loads {
    began: Instant,
    seconds: u64,
    loads: Vec<Load>,
}

impl Loads {
    /// Four kinds of clients, each with `rate` requests a second.
    ///
    /// # Errors
    /// They cannot be started.
    pub fn start(cluster: &Cluster, rate: u64, seconds: u64) -> Result<Self> {
        let mut lines = outside(8080, rate, seconds);
        lines.extend(inside(cluster, rate, seconds)?);
        Self::begin(cluster, lines, seconds)
    }

    /// Two kinds of clients, both from outside through published port `port` of a node.
    ///
    /// # Errors
    /// They cannot be started.
    pub fn outside(cluster: &Cluster, port: u16, rate: u64, seconds: u64) -> Result<Self> {
        Self::begin(cluster, outside(port, rate, seconds), seconds)
    }

    fn begin(cluster: &Cluster, lines: Vec<Line>, seconds: u64) -> Result<Self> {
        let start = |(what, place, line): Line| {
            let child = cluster.background(place, &line)?;
            Ok(Load { what, child })
        };
        Ok(Self {
            began: Instant::now(),
            seconds,
            loads: lines.into_iter().map(start).collect::<Result<_>>()?,
        })
    }

    /// Waits for their end: all that was done went on under load, and nothing was lost of at least `goal` requests.
    pub fn finish(self, report: &mut Report, goal: u64) {
        let took = self.began.elapsed();
        report.check("all of it under load", within(took, self.seconds));
        let mut good = 0;
        for load in self.loads {
            let seen = finish(load.child).and_then(|text| lost_nothing(&text));
            good += seen.as_ref().map_or(0, |(good, _)| *good);
            report.check(&format!("nothing lost: {}", load.what), seen.map(|(_, words)| words));
        }
        report.check("requests in all", enough(good, goal));
    }
}

fn outside(port: u16, rate: u64, seconds: u64) -> Vec<Line> {
    let probe = images::probe().display().to_string();
    let line = format!("{probe} steady {} {port} {rate} {seconds}", Node(1).address());
    vec![
        (
            "published port, connections kept",
            Place::Client,
            format!("{line} keep"),
        ),
        (
            "published port, one connection each",
            Place::Client,
            format!("{line} connect"),
        ),
    ]
}

fn inside(cluster: &Cluster, rate: u64, seconds: u64) -> Result<[Line; 2]> {
    let tools = cluster.container("tools")?;
    let line = format!("docker exec {} probe steady", tools.id);
    let at = Place::Node(tools.node);
    Ok([
        (
            "virtual IP, connections kept",
            at,
            format!("{line} steady 80 {rate} {seconds} keep"),
        ),
        (
            "tasks.steady, one connection each",
            at,
            format!("{line} tasks.steady 80 {rate} {seconds} connect"),
        ),
    ])
}

/// Types a line on n1.
///
/// # Errors
/// Its refusal.
pub fn typed(cluster: &Cluster, line: &str) -> Result<()> {
    cluster.typed(N1, line).map(|_| ())
}

/// How long a step takes.
///
/// # Errors
/// The step's.
pub fn timed(step: impl FnOnce() -> Result<()>) -> Result<String> {
    let began = Instant::now();
    step()?;
    Ok(format!("{:.1} s", began.elapsed().as_secs_f64()))
}

fn within(took: Duration, seconds: u64) -> Result<String> {
    let words = format!("{:.1} s of {seconds} s", took.as_secs_f64());
    if took < Duration::from_secs(seconds) {
        Ok(words)
    } else {
        bail!("{words}")
    }
}

/// The good requests that a probe's figures tell of, and words for them.
///
/// # Errors
/// Some were lost.
pub fn lost_nothing(text: &str) -> Result<(u64, String)> {
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

fn enough(good: u64, goal: u64) -> Result<String> {
    if good >= goal {
        Ok(good.to_string())
    } else {
        bail!("{good} of {goal}")
    }
}
