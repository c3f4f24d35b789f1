//! Updates, rollbacks, scaling, a drain and a server that moves to another port
//! while clients go on asking: not one request is lost.
//!
//! The server answers what was asked before it ends, as a server should;
//! everything else is the cluster's doing.

use super::cluster::Cluster;
use super::report::Report;
use super::steady::{Loads, await_containers, deploy, timed, typed};
use crate::lab::images::{STEADY, STEADY_2};
use crate::lab::layout::Node;
use anyhow::Result;

const N2: Node = Node(2);
const REPLICAS: usize = 10;
const FEWER: usize = 6;
/// Of each of the four kinds of clients.
const RATE: u64 = 125;
/// How long they ask.
const SECONDS: u64 = 80;
/// How long the clients of the service whose port moves ask, of each of two kinds.
const MOVING_SECONDS: u64 = 30;
/// The goal.
const REQUESTS: u64 = 30_000;

/// Everything, one after the other, under one load.
///
/// # Errors
/// There is no cluster to go on with.
pub fn run(cluster: &mut Cluster, report: &mut Report) -> Result<()> {
    deploy(cluster, report, REPLICAS, "")?;
    let loads = Loads::start(cluster, RATE, SECONDS)?;
    for (claim, step) in steps() {
        let outcome = timed(|| step(cluster));
        report.check(claim, outcome);
    }
    loads.finish(report, REQUESTS);
    moved(cluster, report)
}

/// The server of a new version listens elsewhere: old tasks are reached where they listen until the last has gone.
fn moved(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let create = format!("netctl service create --name moved --replicas 3 -p 8081:80 {STEADY}");
    report.require(&create, typed(cluster, &create).map(|()| String::new()))?;
    report.require("moved runs", cluster.await_replicas("moved", 3))?;
    let load = Loads::outside(cluster, 8081, RATE, MOVING_SECONDS)?;
    let update = "netctl service update --args 8000 --publish-rm 80 --publish-add 8081:8000 moved";
    report.check(
        "an update to another port in the container",
        timed(|| typed(cluster, update)),
    );
    load.finish(report, RATE * MOVING_SECONDS);
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
            await_containers(cluster, &cluster.nodes().collect::<Vec<_>>(), FEWER)
        }),
        ("a node is drained", |cluster| {
            typed(cluster, "netctl node update --availability drain n2")?;
            await_containers(cluster, &[N2], 0)?;
            cluster.await_replicas("steady", FEWER).map(|_| ())
        }),
    ]
}
