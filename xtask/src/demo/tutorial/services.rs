//! Steps 4 to 9: services as they come and go, on networks and on published ports.

use super::{N1, N3, at, silent};
use crate::demo::cluster::{Cluster, SETTLE};
use crate::demo::names::lookup;
use crate::demo::report::Report;
use crate::lab::images::TOOLS;
use crate::lab::place::Place;
use crate::lab::wait;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;

/// Step 4: a service, its history, and the word that some tutorials use.
///
/// # Errors
/// The service does not come up.
pub fn timecheck(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let create = format!("netctl service create --name timecheck --replicas 1 {TOOLS} sleep infinity");
    report.require("service create timecheck", silent(cluster.typed(at(N1), &create)))?;
    report.require("service ls shows 1/1", cluster.await_replicas("timecheck", 1))?;
    report.check(
        "service ps shows the node",
        shows(cluster, "netctl service ps timecheck", " n"),
    );
    let gone = cluster.container("timecheck")?;
    let remove = cluster.typed(Place::Node(gone.node), &format!("docker rm -f {}", gone.id));
    report.check("its container is removed by hand", silent(remove));
    let renewed = wait::until_ok(SETTLE, || match cluster.container("timecheck")? {
        same if same == gone => bail!("the old one still runs"),
        _ => Ok(String::new()),
    });
    report.check("a new task runs", renewed);
    report.check(
        "the old one is in the history",
        shows(cluster, "netctl service ps timecheck", r"\_ timecheck.1"),
    );
    report.check(
        "netctl rm NODE points to node rm",
        cluster.refused(at(N1), "netctl rm n3", "netctl node rm n3"),
    );
    Ok(())
}

/// Step 5: a name by chance, and a process that ends at once.
///
/// # Errors
/// There is nothing to go on with.
pub fn unnamed(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let created = cluster.typed(at(N1), &format!("netctl service create -d {TOOLS} true"))?;
    let id = created
        .split_whitespace()
        .next()
        .context("no id is printed")?
        .to_owned();
    let name = cluster.quiet(at(N1), &format!("netctl service inspect -f '{{{{.Spec.Name}}}}' {id}"));
    report.check(
        "a service without --name gets a name",
        name.map(|name| name.trim().to_owned()),
    );
    let tried = wait::until_ok(SETTLE, || {
        let rows = cluster.quiet(at(N1), &format!("netctl service ps {id} --format '{{{{.Name}}}}'"))?;
        match rows.lines().count() {
            count @ 2.. => Ok(format!("{count} tasks so far")),
            _ => bail!("{rows}"),
        }
    });
    report.check(
        "what ends at once is started again and again, and service ps says so",
        tried,
    );
    report.check(
        "service rm",
        silent(cluster.typed(at(N1), &format!("netctl service rm {id}"))),
    );
    Ok(())
}

/// Step 6: names, and networks that do not reach each other.
///
/// # Errors
/// A service does not come up.
pub fn networks(cluster: &Cluster, report: &mut Report) -> Result<()> {
    for line in ["netctl network create iotd-net", "netctl network create other-net"] {
        report.require(line, silent(cluster.typed(at(N1), line)))?;
    }
    let create = |name: &str, replicas: u8, network: &str| {
        format!(
            "netctl service create --detach --replicas {replicas} --network {network} --name {name} {TOOLS} probe whoami 80"
        )
    };
    for (name, replicas, network) in [
        ("iotd", 3, "iotd-net"),
        ("accesslog", 2, "iotd-net"),
        ("outside", 1, "other-net"),
    ] {
        let made = cluster.typed(at(N1), &create(name, replicas, network));
        report.require(&format!("service create --detach {name}"), silent(made))?;
    }
    for (name, replicas) in [("iotd", 3), ("accesslog", 2), ("outside", 1)] {
        report.require(&format!("{name} runs"), cluster.await_replicas(name, replicas))?;
    }
    let inside = cluster.container("accesslog")?;
    for (name, count) in [("iotd", 1), ("tasks.iotd", 3)] {
        let found = wait::until_ok(SETTLE, || {
            let found = lookup(cluster, &inside, name)?;
            match found.len() {
                len if len == count => Ok(String::new()),
                len => bail!("{len} addresses"),
            }
        });
        report.check(&format!("nslookup {name} gives {count}"), found);
    }
    let stranger = cluster.container("outside")?;
    let by_name = lookup(cluster, &stranger, "iotd").and_then(|found| match found.len() {
        0 => Ok(String::new()),
        _ => bail!("{found:?}"),
    });
    report.check("a service on another network does not find it by name", by_name);
    let addresses = lookup(cluster, &inside, "tasks.iotd")?;
    for address in addresses.iter().take(1) {
        let line = format!("probe get {address} 80 / 1");
        let neighbour = silent(cluster.inside(&inside, &line));
        report.check("its own network reaches its address", neighbour);
        let answer = cluster.inside(&stranger, &line);
        let outcome = answer.map_or_else(|_| Ok(String::new()), |text| bail!("it answers {text}"));
        report.check("the other one does not", outcome);
    }
    let rm = "netctl service rm iotd accesslog outside timecheck";
    report.check(rm, silent(cluster.typed(at(N1), rm)));
    for line in ["netctl network rm iotd-net", "netctl network rm other-net"] {
        report.check(line, silent(wait::until_ok(SETTLE, || cluster.quiet(at(N1), line))));
    }
    Ok(())
}

/// Step 7: port 80 of every node, whoever has a task.
///
/// # Errors
/// The service does not come up.
pub fn published(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let create = format!("netctl service create --name myweb --replicas 2 -p 80:80 {TOOLS} probe whoami 80");
    report.require("service create myweb -p 80:80", silent(cluster.typed(at(N1), &create)))?;
    for node in [N1, super::N2, N3] {
        let answers = wait::until_ok(SETTLE, || cluster.port_answers(node));
        report.check(&format!("port 80 of {} answers", node.name()), answers);
    }
    report.check(
        "repeated requests show different host names",
        wait::until_ok(SETTLE, || two_answer(cluster)),
    );
    let scale = "netctl service scale myweb=4";
    report.check(scale, silent(cluster.typed(at(N1), scale)));
    report.check("service ls shows 4/4", cluster.await_replicas("myweb", 4));
    Ok(())
}

fn two_answer(cluster: &Cluster) -> Result<String> {
    let mut hosts = BTreeSet::new();
    for _ in 0..20 {
        hosts.insert(cluster.quiet(Place::Client, &format!("curl -sS -m 2 http://{}/", N1.address()))?);
    }
    match hosts.len() {
        0 | 1 => bail!("all answers are {hosts:?}"),
        count => Ok(format!("{count} different answers of 20")),
    }
}

/// Step 9: one task a node.
///
/// # Errors
/// The service cannot be made.
pub fn global(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let create = format!("netctl service create --name global_web --mode global {TOOLS} probe whoami 80");
    report.require("service create --mode global", silent(cluster.typed(at(N1), &create)))?;
    report.check("one task a node", wait::until_ok(SETTLE, || on_nodes(cluster, 3)));
    Ok(())
}

/// So many nodes run exactly one task of the global service each.
///
/// # Errors
/// Says what runs where.
pub fn on_nodes(cluster: &Cluster, count: usize) -> Result<String> {
    let tasks = cluster.containers("global_web")?;
    let nodes: BTreeSet<_> = tasks.iter().map(|task| task.node).collect();
    match (tasks.len(), nodes.len()) {
        (tasks, nodes) if tasks == count && nodes == count => Ok(String::new()),
        _ => bail!("{tasks:?}"),
    }
}

/// The line prints `word`.
///
/// # Errors
/// Shows what it prints.
pub fn shows(cluster: &Cluster, line: &str, word: &str) -> Result<String> {
    let text = cluster.typed(at(N1), line)?;
    match text.contains(word) {
        true => Ok(String::new()),
        false => bail!("no {word:?} in: {text}"),
    }
}
