//! Step 7: a container reaches an address outside of the cluster, under its
//! node's address; one on an internal network does not, nor does it reach a
//! service of another network.

use super::cluster::{Cluster, fields};
use super::names::lookup;
use super::report::Report;
use crate::lab::images::{self, TOOLS};
use crate::lab::layout::{CLIENT_ADDRESS, Node};
use crate::lab::place::Place;
use crate::lab::wait;
use anyhow::{Context, Result, bail};
use std::time::Duration;

const N1: Place = Place::Node(Node(1));
const SERVER_PORT: u16 = 7_000;
const READY: Duration = Duration::from_secs(10);

/// Asks a server in the client's namespace.
///
/// # Errors
/// The server or the services cannot be started.
pub fn run(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let whoami = format!("{} whoami {SERVER_PORT}", images::probe().display());
    println!("   client# {whoami} &");
    let mut server = cluster.background(Place::Client, &whoami)?;
    let outcome = look_around(cluster, report);
    server.kill()?;
    server.wait()?;
    outcome
}

fn look_around(cluster: &Cluster, report: &mut Report) -> Result<()> {
    report.check(
        "a container reaches the outside under its node's address",
        wait::until_ok(READY, || reaches(cluster)),
    );
    report.require(
        "network create --internal",
        cluster
            .typed(N1, "netctl network create --internal backroom")
            .map(|_| String::new()),
    )?;
    let create = format!("netctl service create --name hermit --network backroom {TOOLS} sleep infinity");
    report.require(
        "service create hermit",
        cluster.typed(N1, &create).map(|_| String::new()),
    )?;
    report.require("hermit runs", cluster.await_replicas("hermit", 1))?;
    let hermit = cluster.container("hermit")?;
    let own_name = wait::until_ok(READY, || {
        let found = lookup(cluster, &hermit, "hermit")?;
        if found.len() == 1 {
            Ok(String::new())
        } else {
            bail!("hermit resolves to {found:?}")
        }
    });
    report.check("a container of an internal network has its names", own_name);
    let outside = format!("timeout 3 wget -q -O - http://{CLIENT_ADDRESS}:{SERVER_PORT}/");
    report.check("but does not reach the outside", fails(cluster, "hermit", &outside));
    let tools = cluster.container("tools")?;
    let vip = lookup(cluster, &tools, "iotd")?
        .into_iter()
        .next()
        .context("iotd has no address")?;
    report.check(
        "nor a service of another network by name",
        fails(cluster, "hermit", "timeout 3 wget -q -O - http://iotd/"),
    );
    let by_address = format!("timeout 3 wget -q -O - http://{vip}/");
    report.check("nor by address", fails(cluster, "hermit", &by_address));
    Ok(())
}

fn reaches(cluster: &Cluster) -> Result<String> {
    let tools = cluster.container("tools")?;
    let text = cluster.inside(
        &tools,
        &format!("timeout 3 wget -q -O - http://{CLIENT_ADDRESS}:{SERVER_PORT}/"),
    )?;
    let seen = fields(&text, "client")
        .into_iter()
        .next()
        .unwrap_or_default()
        .to_owned();
    if seen.starts_with(&format!("{}:", tools.node.address())) {
        Ok(seen)
    } else {
        bail!("the server saw {seen:?}")
    }
}

fn fails(cluster: &Cluster, service: &str, line: &str) -> Result<String> {
    let container = cluster.container(service)?;
    match cluster.inside(&container, line) {
        Ok(answer) => bail!("it answered: {answer}"),
        Err(_) => Ok(String::new()),
    }
}
