//! Step 5: scaling, and tasks that are killed or removed behind the cluster's
//! back, while a client goes on asking.

use super::cluster::{Cluster, Container, SETTLE, fields, figure, finish};
use super::report::Report;
use crate::lab::images;
use crate::lab::layout::Node;
use crate::lab::place::Place;
use crate::lab::wait;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;

const N1: Place = Place::Node(Node(1));
const LOAD_SECONDS: u32 = 15;
/// Requests a second times the time in which a killed task may still be asked.
const TOLERATED_FAILURES: u64 = 20;

/// Scales, kills, removes.
///
/// # Errors
/// There is nothing left to go on with.
pub fn run(cluster: &Cluster, report: &mut Report) -> Result<()> {
    report.check("service scale iotd=5", scale(cluster, 5));
    report.check("five tasks answer", answers_are_the_tasks(cluster, 5));
    report.require("service scale iotd=3", scale(cluster, 3))?;
    report.check("three tasks answer", answers_are_the_tasks(cluster, 3));
    let probe = images::probe().display().to_string();
    let load = format!("{probe} load {} 8080 / {LOAD_SECONDS}", Node(1).address());
    let load = cluster.background(Place::Client, &load)?;
    let before = cluster.containers("iotd")?;
    let mut victims = before.iter().rev().cloned();
    let (killed, removed) = (
        victims.next().context("no task")?,
        victims.next().context("one task only")?,
    );
    let kill = cluster.typed(Place::Node(killed.node), &format!("docker kill {}", killed.id));
    report.check("docker kill of a task", kill.map(|_| String::new()));
    report.check("it is replaced", wait::until_ok(SETTLE, || replaced(cluster, &killed)));
    let remove = cluster.typed(Place::Node(removed.node), &format!("docker rm -f {}", removed.id));
    report.check("removal of a task's container", remove.map(|_| String::new()));
    report.check("it is replaced", wait::until_ok(SETTLE, || replaced(cluster, &removed)));
    report.check("traffic went on", finish(load).and_then(|figures| went_on(&figures)));
    report.check("each slot has one running task", slots(cluster));
    report.check(
        "no backend without a living task behind it",
        answers_are_the_tasks(cluster, 3),
    );
    Ok(())
}

fn scale(cluster: &Cluster, replicas: usize) -> Result<String> {
    cluster.typed(N1, &format!("netctl service scale iotd={replicas}"))?;
    cluster.await_replicas("iotd", replicas)
}

fn replaced(cluster: &Cluster, gone: &Container) -> Result<String> {
    let now = cluster.containers("iotd")?;
    if now.len() == 3 && !now.contains(gone) {
        Ok(String::new())
    } else {
        bail!("running: {now:?}")
    }
}

fn went_on(figures: &str) -> Result<String> {
    let read = |name: &str| figure(figures, name).with_context(|| format!("no {name} in {figures}"));
    let (good, failed, outage) = (read("good")?, read("failed")?, read("longest_outage_ms")?);
    let detail = format!("{good} good, {failed} failed, longest outage {outage} ms");
    if good == 0 || failed > TOLERATED_FAILURES {
        bail!("{detail}: {figures}")
    } else {
        Ok(detail)
    }
}

/// `service ps` has exactly one running task in each of the slots 1 to 3.
fn slots(cluster: &Cluster) -> Result<String> {
    let text = cluster.typed(N1, "netctl service ps iotd")?;
    let running = text.lines().filter(|row| row.contains(" Running "));
    let names: Vec<&str> = running
        .filter_map(|row| row.split_whitespace().find(|w| w.starts_with("iotd.")))
        .collect();
    let distinct: BTreeSet<&&str> = names.iter().collect();
    if names.len() == 3 && distinct.len() == 3 {
        Ok(names.join(" "))
    } else {
        bail!("service ps shows:\n{text}")
    }
}

/// Every one of 20 requests a replica succeeds, and exactly the running
/// containers answer.
fn answers_are_the_tasks(cluster: &Cluster, replicas: usize) -> Result<String> {
    let tools = cluster.container("tools")?;
    let attempt = || {
        let text = cluster.inside(&tools, &format!("probe get iotd 80 / {}", 20 * replicas))?;
        let answered: BTreeSet<String> = fields(&text, "api").into_iter().map(str::to_owned).collect();
        let running = host_names(cluster)?;
        if answered == running {
            Ok(format!("{} tasks", answered.len()))
        } else {
            bail!("{answered:?} answer, {running:?} run")
        }
    };
    wait::until_ok(SETTLE, attempt)
}

fn host_names(cluster: &Cluster) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for task in cluster.containers("iotd")? {
        let line = format!("docker inspect -f '{{{{.Config.Hostname}}}}' {}", task.id);
        names.insert(cluster.quiet(Place::Node(task.node), &line)?.trim().to_owned());
    }
    Ok(names)
}
