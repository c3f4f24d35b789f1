//! Canaries while clients go on asking: a new version gets the share of the
//! new connections that was asked for, becomes the whole service or goes
//! again, and not one request is lost.

use super::cluster::{Cluster, finish};
use super::report::Report;
use super::steady::{Loads, await_containers, deploy, lost_nothing, timed, typed};
use crate::lab::images::{self, STEADY, STEADY_2};
use crate::lab::layout::Node;
use crate::lab::place::Place;
use anyhow::{Context, Result, bail};

const REPLICAS: usize = 10;
/// Of each of the four kinds of clients.
const RATE: u64 = 75;
/// How long they ask.
const SECONDS: u64 = 200;
/// The goal.
const REQUESTS: u64 = 30_000;
/// New connections from which a share is measured: 500 a second. The chance alone is off by 1.5 of 100 in one of a
/// million measurements.
const SAMPLE: &str = "500 20 connect";
/// How far a measured share may be off, of 100.
const OFF: f64 = 3.0;

/// A host name by which the version of a task is told.
fn named(version: &str) -> String {
    format!("--hostname '{version}-{{{{.Task.Slot}}}}'")
}

/// Everything, one after the other, under one load.
///
/// # Errors
/// There is no cluster to go on with.
pub fn run(cluster: &mut Cluster, report: &mut Report) -> Result<()> {
    deploy(cluster, report, REPLICAS, &named("old"))?;
    let loads = Loads::start(cluster, RATE, SECONDS)?;
    let step = |report: &mut Report, claim: &str, line: String| {
        report.check(claim, timed(|| typed(cluster, &line)));
    };
    let (new, next) = (named("new"), named("next"));
    step(
        report,
        "a canary of a tenth",
        format!("netctl service update --canary 10% --image {STEADY_2} {new} steady"),
    );
    report.check("eleven containers", containers(cluster, REPLICAS + 1));
    measure(cluster, report, "new", 10.0);
    step(
        report,
        "three tenths",
        "netctl service update --canary 30% steady".to_owned(),
    );
    report.check("thirteen containers", containers(cluster, REPLICAS + 3));
    measure(cluster, report, "new", 30.0);
    step(
        report,
        "it is promoted",
        "netctl service update --promote steady".to_owned(),
    );
    report.check("all are of the new version", image(cluster, STEADY_2));
    report.check("ten containers", containers(cluster, REPLICAS));
    step(
        report,
        "another canary",
        format!("netctl service update --canary 20% --image {STEADY} {next} steady"),
    );
    step(
        report,
        "it is aborted",
        "netctl service update --abort steady".to_owned(),
    );
    report.check("the spec is the one before", image(cluster, STEADY_2));
    report.check("ten containers again", containers(cluster, REPLICAS));
    loads.finish(report, REQUESTS);
    Ok(())
}

fn containers(cluster: &Cluster, wanted: usize) -> Result<String> {
    timed(|| await_containers(cluster, &cluster.nodes().collect::<Vec<_>>(), wanted))
}

fn image(cluster: &Cluster, wanted: &str) -> Result<String> {
    let line = "netctl service inspect --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}' steady";
    let found = cluster.quiet(Place::Node(Node(1)), line)?;
    if found.trim() == wanted {
        Ok(wanted.to_owned())
    } else {
        bail!("{} instead of {wanted}", found.trim())
    }
}

/// The share of new connections that tasks of a version get, through both rings.
fn measure(cluster: &Cluster, report: &mut Report, version: &str, wanted: f64) {
    let outside = format!(
        "{} steady {} 8080 {SAMPLE}",
        images::probe().display(),
        Node(2).address()
    );
    let published = measured(cluster, Place::Client, &outside, version, wanted);
    report.check(&format!("{wanted} % through the published port"), published);
    let inside = cluster.container("tools").and_then(|tools| {
        let line = format!("docker exec {} probe steady steady 80 {SAMPLE}", tools.id);
        measured(cluster, Place::Node(tools.node), &line, version, wanted)
    });
    report.check(&format!("{wanted} % through the virtual IP"), inside);
}

fn measured(cluster: &Cluster, place: Place, line: &str, version: &str, wanted: f64) -> Result<String> {
    let text = finish(cluster.background(place, line)?)?;
    let (good, _) = lost_nothing(&text)?;
    let answered = text.lines().filter_map(|line| line.strip_prefix("answered "));
    let mut of_version = 0;
    for line in answered {
        let (count, task) = line.split_once(' ').with_context(|| format!("answered {line}"))?;
        if task.starts_with(&format!("{version}-")) {
            of_version += count.parse::<u64>()?;
        }
    }
    let share = 100.0 * of_version as f64 / good as f64;
    let words = format!("{share:.1} % of {good}");
    if (share - wanted).abs() <= OFF {
        Ok(words)
    } else {
        bail!("{words}")
    }
}
