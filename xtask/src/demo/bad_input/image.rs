//! A service whose image is on no node and in no registry: its user learns why
//! nothing runs, at once and later, and can take it away.

use super::HOST;
use crate::demo::cluster::{Cluster, SETTLE};
use crate::demo::report::Report;
use crate::demo::traces;
use crate::lab::wait;
use anyhow::{Context, Result, bail};

/// No registry answers there, which is told at once.
const IMAGE: &str = "127.0.0.1:1/ghost:1";

/// Creates it, reads the reason, removes it.
///
/// # Errors
/// It cannot be created.
pub fn run(cluster: &Cluster, report: &mut Report) -> Result<()> {
    // Attached, it waits for a service that may run one day: somebody interrupts it.
    let line = format!("timeout --preserve-status -s INT 8 netctl service create --name ghost {IMAGE}");
    let said = cluster.typed(HOST, &line);
    report.check(
        "service create says what is wrong while it waits",
        said.and_then(|text| names_image(&text)),
    );
    let rejected = wait::until_ok(SETTLE, || rejected(cluster));
    report.check("service ps shows Rejected with the reason", rejected);
    let removed = cluster.typed(HOST, "netctl service rm ghost");
    report.check("service rm", removed.map(|_| String::new()));
    let (what, line) = traces::OF_A_NODE[0];
    report.check(&format!("no {what}"), traces::none(cluster, HOST, line));
    Ok(())
}

fn names_image(text: &str) -> Result<String> {
    let line = text.lines().find(|line| line.contains(IMAGE));
    Ok(line.with_context(|| format!("it says: {text}"))?.to_owned())
}

fn rejected(cluster: &Cluster) -> Result<String> {
    let text = cluster.quiet(HOST, "netctl service ps --no-trunc ghost")?;
    let row = text.lines().find(|row| row.contains("Rejected"));
    let row = row.with_context(|| format!("service ps shows:\n{text}"))?;
    match row.split_once(" ago ") {
        Some((_, reason)) if reason.contains(IMAGE) => Ok(reason.trim().to_owned()),
        _ => bail!("the row gives no reason that names the image: {row}"),
    }
}
