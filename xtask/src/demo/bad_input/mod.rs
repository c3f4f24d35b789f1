//! What a user gets wrong, and what a host may be like, on a host-like node:
//! every refusal names the thing and the way out, exits non-zero and leaves
//! nothing half-made.

mod clock;
mod image;
mod locked;
mod unfit;
mod words;

use super::cluster::Cluster;
use super::report::Report;
use super::traces;
use crate::lab::layout::Node;
use crate::lab::netd;
use crate::lab::place::Place;
use anyhow::{Result, bail};

/// The node that all of it is typed on. The second one is for its clock.
const HOST: Place = Place::Node(Node(1));

/// Tries what must be refused, before there is a cluster and in one.
///
/// # Errors
/// There is nothing to go on with.
pub fn run(cluster: &Cluster, report: &mut Report) -> Result<()> {
    report.step(1, "no daemon");
    report.check(
        "netctl names the socket and the daemon",
        cluster.refused_naming(HOST, "netctl info", &["netctl.sock", "is netd running"]),
    );
    report.step(2, "hosts that cannot enter a cluster now");
    unfit::capabilities(cluster, report)?;
    netd::start(&cluster.record, Node(1))?;
    unfit::ports(cluster, report)?;
    unfit::engine(cluster, report)?;
    report.step(3, "init and join, asked wrongly");
    words::outside(cluster, report);
    report.step(4, "requests that make no sense");
    let init = cluster.typed(
        HOST,
        &format!("netctl swarm init --advertise-addr {}", Node(1).address()),
    );
    report.require("after all that, swarm init works", init.map(|_| String::new()))?;
    words::inside(cluster, report)?;
    report.step(5, "an image that nobody has");
    image::run(cluster, report)?;
    report.step(6, "a locked manager and wrong keys");
    locked::run(cluster, report)?;
    report.step(7, "clocks that are off by an hour");
    clock::run(cluster, report)?;
    report.step(8, "leaving leaves nothing");
    let left = cluster.typed(HOST, "netctl swarm leave --force");
    report.check("swarm leave --force", left.map(|_| String::new()));
    report.check("nothing is left", traces::nothing_made(cluster, HOST, &[]));
    Ok(())
}

/// A command line, and what its refusal must name: the thing, and the way out.
type Refusal<'a> = (&'a str, &'a [&'a str]);

/// One claim for each line.
fn all_refused(cluster: &Cluster, report: &mut Report, lines: &[Refusal]) {
    for (line, wanted) in lines {
        let outcome = cluster.refused_naming(HOST, line, wanted);
        report.check(&format!("it names {}", wanted.join(", ")), outcome);
    }
}

/// Succeeds when `line` prints the same as `before`.
fn unchanged(cluster: &Cluster, line: &str, before: &str) -> Result<String> {
    let now = cluster.quiet(HOST, line)?;
    if now == before {
        Ok(String::new())
    } else {
        bail!("{line} printed:\n{before}\nand now:\n{now}")
    }
}
