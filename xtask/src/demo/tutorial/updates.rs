//! Step 11: a rolling update, a bad image, and the way back.

use super::services::shows;
use super::{N1, at, silent};
use crate::demo::cluster::{Cluster, SETTLE, figure, finish};
use crate::demo::report::Report;
use crate::lab::images::{self, TOOLS};
use crate::lab::place::Place;
use crate::lab::wait;
use anyhow::{Context, Result, bail};

/// The same image under another tag.
const SECOND: &str = "netctl/tools:2";
const LOAD_SECONDS: u32 = 25;

/// Updates `myweb` under load.
///
/// # Errors
/// There is no service to go on with.
pub fn run(cluster: &Cluster, report: &mut Report) -> Result<()> {
    for node in cluster.nodes() {
        cluster.quiet(Place::Node(node), &format!("docker tag {TOOLS} {SECOND}"))?;
    }
    let load = format!(
        "{} load {} 80 / {LOAD_SECONDS}",
        images::probe().display(),
        N1.address()
    );
    let load = cluster.background(Place::Client, &load)?;
    let update = format!("netctl service update --image {SECOND} --update-parallelism 1 --update-delay 2s myweb");
    report.require(
        "service update, one replica at a time",
        silent(cluster.typed(at(N1), &update)),
    )?;
    report.check(
        "no failed request",
        finish(load).and_then(|figures| none_failed(&figures)),
    );
    report.check(
        "all tasks have the new image",
        wait::until_ok(SETTLE, || all_have(cluster, SECOND)),
    );
    for word in ["Parallelism:\t1", "Delay:\t\t2s", "State:\t\tcompleted"] {
        let shown = shows(cluster, "netctl service inspect --pretty myweb", word);
        report.check(&format!("inspect --pretty shows {}", word.replace('\t', " ")), shown);
    }
    let bad = "netctl service update --image netctl/nowhere:1 --update-delay 0s --update-monitor 1s myweb";
    report.check(
        "a bad image pauses the update",
        cluster.refused(at(N1), bad, "update paused"),
    );
    report.check(
        "its state is paused",
        shows(cluster, "netctl service inspect --pretty myweb", "State:\t\tpaused"),
    );
    let rollback = "netctl service rollback myweb";
    report.check(rollback, silent(cluster.typed(at(N1), rollback)));
    report.check(
        "all tasks have the image of before",
        wait::until_ok(SETTLE, || all_have(cluster, SECOND)),
    );
    let policy = "netctl service update --image netctl/nowhere:2 --update-failure-action rollback myweb";
    report.check(
        "or rolls back by policy",
        cluster.refused(at(N1), policy, "rolled back"),
    );
    report.check(
        "and all is as before",
        wait::until_ok(SETTLE, || all_have(cluster, SECOND)),
    );
    Ok(())
}

fn none_failed(figures: &str) -> Result<String> {
    let read = |name: &str| figure(figures, name).with_context(|| format!("no {name} in {figures}"));
    let (good, failed) = (read("good")?, read("failed")?);
    match (good, failed) {
        (1.., 0) => Ok(format!("{good} good")),
        _ => bail!("{good} good, {failed} failed: {figures}"),
    }
}

fn all_have(cluster: &Cluster, image: &str) -> Result<String> {
    let line = "netctl service ps myweb -f desired-state=running --format '{{.Image}} {{.CurrentState}}'";
    let text = cluster.quiet(at(N1), line)?;
    let well = |row: &str| row.starts_with(image) && row.contains("Running");
    match text.lines().count() == 4 && text.lines().all(well) {
        true => Ok(String::new()),
        false => bail!("{text}"),
    }
}
