//! `swarm init --force-new-cluster` on the last of three managers.

use super::{N1, N2, N3, N4, SERVICE, at, replicas_on, silent};
use crate::demo::cluster::{Cluster, SETTLE, figure, finish};
use crate::demo::failures::dead::start_knocking;
use crate::demo::report::Report;
use crate::demo::roster;
use crate::lab::faults::power;
use crate::lab::images::TOOLS;
use crate::lab::layout::Node;
use crate::lab::{netd, wait};
use anyhow::{Context, Result, bail};
use std::process::Child;
use std::time::Duration;

const FORCE: &str = "netctl swarm init --force-new-cluster";
const NO_QUORUM: &str = "more than half of the managers";
/// From before the first death to after the first command that works again.
const KNOCKING: Duration = Duration::from_secs(30);

/// Two managers die; the third goes on, and one of the dead comes back as a worker.
///
/// # Errors
/// There is no manager to go on with.
pub fn run(cluster: &mut Cluster, report: &mut Report) -> Result<()> {
    let create = format!(
        "netctl service create --name {SERVICE} --replicas 2 -p 80:80 --constraint node.hostname!=n1 \
         --constraint node.hostname!=n2 {TOOLS} probe whoami 80"
    );
    report.require("a service on n3 and n4", silent(cluster.typed(at(N3), &create)))?;
    let both = wait::until_ok(SETTLE, || replicas_on(cluster, &[N3, N4], 2));
    report.require("it runs", both)?;
    for node in [N3, N4] {
        let claim = format!("port 80 of {} answers", node.name());
        report.require(&claim, wait::until_ok(SETTLE, || cluster.port_answers(node)))?;
    }
    report.check(
        "with a majority nothing is forced",
        cluster.refused_naming(at(N3), FORCE, &["has a leader", "nothing was changed"]),
    );
    report.check(
        "a worker forces nothing",
        cluster.refused(at(N4), FORCE, "not a swarm manager"),
    );
    let knocks = [N3, N4].map(|node| Ok((node.name(), start_knocking(cluster, node, KNOCKING)?)));
    let knocks: Vec<(String, Child)> = knocks.into_iter().collect::<Result<_>>()?;
    for node in [N1, N2] {
        println!("   {} loses its power, for good", node.name());
        power::cut(node)?;
    }
    let scale = format!("netctl service scale -d {SERVICE}=4");
    report.check("commands are refused", cluster.refused(at(N3), &scale, NO_QUORUM));
    let forced = cluster.typed(at(N3), FORCE).and_then(|text| names_the_dead(&text));
    report.require("n3 goes on alone", forced)?;
    report.require("commands work", silent(cluster.typed(at(N3), &scale)))?;
    let four = wait::until_ok(SETTLE, || replicas_on(cluster, &[N3, N4], 4));
    report.check("four replicas run: the worker has found its manager", four);
    for (name, child) in knocks {
        let told = finish(child).and_then(|printed| all_answered(&printed));
        let told = told.with_context(|| format!("dropped: {}", dropped(cluster)));
        report.check(&format!("port 80 of {name} answered all the time"), told);
    }
    for (node, status) in [(N1, "Down"), (N2, "Down"), (N3, "Ready"), (N4, "Ready")] {
        let shown = wait::until_ok(SETTLE, || roster::has_status(cluster, N3, node, status));
        report.check(&format!("node ls: {} {status}", node.name()), shown);
    }
    returns(cluster, report)
}

fn names_the_dead(text: &str) -> Result<String> {
    let line = text.lines().find(|line| line.contains("No manager any more"));
    let line = line.with_context(|| format!("it printed: {text}"))?;
    match line.contains("n1") && line.contains("n2") {
        true => Ok(line.to_owned()),
        false => bail!("{line}"),
    }
}

fn all_answered(printed: &str) -> Result<String> {
    let [tried, unanswered] = ["tried", "unanswered"].map(|name| figure(printed, name));
    match (tried, unanswered) {
        (Some(tried), Some(0)) if tried > 0 => Ok(format!("{tried} connections")),
        _ => bail!("{}", printed.replace('\n', " ")),
    }
}

/// What the datapaths of the living have dropped, and why.
fn dropped(cluster: &Cluster) -> String {
    let drops = |node: Node| {
        let dump = cluster.quiet(at(node), "netctl datapath dump").unwrap_or_default();
        let lines = dump
            .lines()
            .filter(|line| line.starts_with("drop ") && !line.ends_with(" 0"));
        format!("{} {}", node.name(), lines.collect::<Vec<_>>().join(", "))
    };
    [N3, N4].map(drops).join("; ")
}

/// A manager that was not gone for good after all.
fn returns(cluster: &mut Cluster, report: &mut Report) -> Result<()> {
    println!("   n1 has power again");
    power::restore(&mut cluster.record, N1)?;
    netd::start(&cluster.record, N1)?;
    let ready = wait::until_ok(SETTLE, || roster::has_status(cluster, N3, N1, "Ready"));
    report.require("it comes back: Ready", ready)?;
    let worker = wait::until_ok(SETTLE, || {
        cluster.refused(at(N1), "netctl node ls", "not a swarm manager")
    });
    report.check("as a worker", worker);
    report.check(
        "n3 is still the only manager",
        wait::until_ok(SETTLE, || match roster::row(cluster, N3, N1)?.manager.as_str() {
            "" => Ok(String::new()),
            other => bail!("n1 is shown as {other}"),
        }),
    );
    Ok(())
}
