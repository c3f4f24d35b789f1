//! Step 13, on the side: the root certificate is replaced while traffic and sessions go on.

use super::{N1, N2, at};
use crate::demo::cluster::{Cluster, SETTLE, figure, finish};
use crate::demo::failures::dead::{KNOCKING, start_knocking};
use crate::demo::report::Report;
use crate::demo::roster;
use crate::lab::wait;
use anyhow::{Context, Result, bail};

const NOW: &str = "/var/lib/netctl/identity";
/// A copy of n2's identity under the old root.
const OLD: &str = "/var/lib/identity-before";

/// `swarm ca --rotate`; then nobody takes what the old root signed.
///
/// # Errors
/// The client cannot knock.
pub fn run(cluster: &Cluster, report: &mut Report) -> Result<()> {
    cluster.quiet(at(N2), &format!("cp -r {NOW} {OLD}"))?;
    let taken = shows(cluster, OLD);
    report.check("n1 takes n2's certificate", taken.and_then(|said| is_taken(&said)));
    let before = cluster.quiet(at(N1), "netctl swarm ca")?;
    let knocks = start_knocking(cluster, N1, KNOCKING)?;
    let rotated = cluster.typed(at(N1), "netctl swarm ca --rotate --quiet");
    let another = rotated.and_then(|root| match root.contains("BEGIN CERTIFICATE") && root != before {
        true => Ok(String::new()),
        false => bail!("it prints {root}"),
    });
    report.check("swarm ca --rotate ends with another root, on all nodes", another);
    report.check(
        "port 80 of n1 answered all the while",
        finish(knocks).and_then(|text| unbroken(&text)),
    );
    let ready = wait::until_ok(SETTLE, || all_ready(cluster));
    report.check("all nodes are Ready", ready);
    report.check(
        "n1 takes n2's new certificate",
        shows(cluster, NOW).and_then(|said| is_taken(&said)),
    );
    let refused = shows(cluster, OLD).and_then(|said| match is_taken(&said) {
        Ok(_) => bail!("it is taken"),
        Err(alert) => Ok(alert.to_string()),
    });
    report.check("and not the old one any more", refused);
    cluster.quiet(at(N2), &format!("rm -r {OLD}")).map(|_| ())
}

/// What openssl says when n2 shows the identity in `folder` at n1's control port.
fn shows(cluster: &Cluster, folder: &str) -> Result<String> {
    let to = N1.address();
    let own = format!("-cert {folder}/node.crt -key {folder}/node.key");
    let line = format!("(sleep 1) | openssl s_client -tls1_3 -alpn h2 -connect {to}:2377 {own} 2>&1 || true");
    cluster.quiet(at(N2), &line)
}

/// A server that refuses a certificate says so by an alert.
fn is_taken(said: &str) -> Result<String> {
    match said.lines().find(|line| line.contains("alert")) {
        None if said.contains("CONNECTED") => Ok(String::new()),
        None => bail!("no connection: {said}"),
        Some(alert) => bail!("{}", alert.trim()),
    }
}

fn unbroken(printed: &str) -> Result<String> {
    let tried = figure(printed, "tried").context("the client did not knock")?;
    match figure(printed, "unanswered") {
        Some(0) => Ok(format!("{tried} connections")),
        other => bail!("of {tried} connections {other:?} were not answered"),
    }
}

fn all_ready(cluster: &Cluster) -> Result<String> {
    let rows = roster::rows(cluster, N1)?;
    match rows.iter().find(|row| row.status != "Ready") {
        None => Ok(String::new()),
        Some(row) => bail!("{row:?}"),
    }
}
