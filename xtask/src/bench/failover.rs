//! How long a cluster is without: writes after the leader was killed or frozen,
//! connections and tasks after a node lost its power, a worker or the leader's
//! own. Some rounds of each, in labs of its own.

use super::Figure;
use crate::clients::Clients;
use crate::demo::cluster::{Cluster, SETTLE, finish};
use crate::demo::failures::dead::{KNOCKING, ceased, start_knocking};
use crate::demo::{join, roster};
use crate::lab::faults::power;
use crate::lab::images::TOOLS;
use crate::lab::layout::Node;
use crate::lab::place::Place;
use crate::lab::state::Flavour;
use crate::lab::{self, netd, wait};
use crate::{binaries, interrupt};
use anyhow::{Context, Result, bail};
use std::time::{Duration, Instant, SystemTime};

/// Between two faults: everybody has heard of the last one's end.
const CALM: Duration = Duration::from_secs(2);
/// A frozen leader stays frozen this long, past any election.
const FROZEN: Duration = Duration::from_secs(3);
const REPLICAS: usize = 6;

/// Measures leader replacement with 3 and with 5 managers, and node loss on 3 nodes, so many rounds of each.
///
/// # Errors
/// A cluster does not come up, or does not get over a fault.
pub fn measure(rounds: usize) -> Result<Vec<Figure>> {
    binaries::build_daemons()?;
    interrupt::take_lab_down()?;
    let mut figures = Vec::new();
    for managers in [3, 5] {
        figures.extend(in_lab(managers, |cluster| leaders(cluster, rounds))?);
    }
    figures.extend(in_lab(3, |cluster| workers(cluster, rounds))?);
    figures.extend(in_lab(3, |cluster| leading_nodes(cluster, rounds))?);
    Ok(figures)
}

fn in_lab(nodes: u8, part: impl FnOnce(&mut Cluster) -> Result<Vec<Figure>>) -> Result<Vec<Figure>> {
    let mut cluster = Cluster {
        record: lab::up(nodes, Flavour::Bare)?,
    };
    let figures = part(&mut cluster);
    lab::down()?;
    figures
}

/// Every node is a manager; leaders die and freeze.
fn leaders(cluster: &mut Cluster, rounds: usize) -> Result<Vec<Figure>> {
    let managers: Vec<Node> = cluster.nodes().collect();
    join::form_with_managers(cluster, &managers[1..])?;
    let mut clients = Clients::start(&cluster.record, &managers)?;
    let mut figures = Vec::new();
    for (name, frozen) in [("killed", false), ("frozen", true)] {
        let mut gaps = Vec::new();
        for _ in 0..rounds {
            gaps.push(leader_lost(cluster, &managers, &mut clients, frozen)? as f64);
        }
        let what = format!("leader_{name}_{}_managers_write_gap", managers.len());
        figures.extend(percentiles(&what, gaps));
    }
    clients.end()?;
    Ok(figures)
}

/// Milliseconds from the fault to the first write after it that succeeded.
fn leader_lost(cluster: &Cluster, managers: &[Node], clients: &mut Clients, frozen: bool) -> Result<u64> {
    let leader = wait::until_ok(SETTLE, || roster::leader(cluster, managers))?;
    let gap = if frozen {
        netd::pause(leader)?;
        clients.mark("fault")?;
        std::thread::sleep(FROZEN);
        netd::go_on(leader)?;
        clients.gap("fault", SETTLE)?
    } else {
        netd::strike(leader)?;
        clients.mark("fault")?;
        let gap = clients.gap("fault", SETTLE)?;
        netd::await_end(leader)?;
        netd::start(&cluster.record, leader)?;
        gap
    };
    wait::until_ok(SETTLE, || {
        match roster::row(cluster, leader, leader)?.manager.as_str() {
            "Reachable" | "Leader" => Ok(()),
            other => bail!("{} is {other:?}", leader.name()),
        }
    })?;
    std::thread::sleep(CALM);
    Ok(gap)
}

/// A worker with tasks loses its power.
fn workers(cluster: &mut Cluster, rounds: usize) -> Result<Vec<Figure>> {
    join::form(cluster)?;
    let last = Node(cluster.record.count());
    losses(cluster, rounds, "node_lost", |_| Ok(last))
}

/// The leader loses its power, and with it the tasks on its node.
fn leading_nodes(cluster: &mut Cluster, rounds: usize) -> Result<Vec<Figure>> {
    let managers: Vec<Node> = cluster.nodes().collect();
    join::form_with_managers(cluster, &managers[1..])?;
    losses(cluster, rounds, "leader_lost_with_its_node", |cluster| {
        wait::until_ok(SETTLE, || roster::leader(cluster, &managers))
    })
}

/// Rounds in which the node that `choose` says loses its power; it carries tasks.
fn losses(
    cluster: &mut Cluster,
    rounds: usize,
    name: &str,
    choose: impl Fn(&Cluster) -> Result<Node>,
) -> Result<Vec<Figure>> {
    let (mut unanswered, mut replaced) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let victim = choose(cluster)?;
        // A manager in either kind of cluster, if it is not the victim.
        let asked = Node(if victim == Node(1) { 2 } else { 1 });
        // Nothing moves back to a node that returns: a fresh service each time.
        let create =
            format!("netctl service create --name lost --replicas {REPLICAS} -p 80:80 {TOOLS} probe whoami 80");
        cluster.quiet(Place::Node(asked), &create)?;
        cluster.await_replicas("lost", REPLICAS)?;
        if cluster.containers_on("lost", &[victim])?.is_empty() {
            bail!("{} has no task: its loss would show nothing", victim.name());
        }
        let (silence, moved) = node_lost(cluster, victim, asked)?;
        unanswered.extend(silence);
        replaced.push(moved);
        cluster.quiet(Place::Node(asked), "netctl service rm lost")?;
        let gone = || match cluster.containers("lost")?.len() {
            0 => Ok(()),
            left => bail!("{left} containers are left"),
        };
        wait::until_ok(SETTLE, gone)?;
        std::thread::sleep(CALM);
    }
    let mut figures = percentiles(&format!("{name}_connections_unanswered"), unanswered);
    figures.extend(percentiles(&format!("{name}_tasks_replaced"), replaced));
    Ok(figures)
}

/// Milliseconds until no connection through each surviving node went to the dead one any more, and until its tasks ran
/// elsewhere. `asked` says when the node is back.
fn node_lost(cluster: &mut Cluster, victim: Node, asked: Node) -> Result<(Vec<f64>, f64)> {
    let others: Vec<Node> = cluster.nodes().filter(|node| *node != victim).collect();
    for node in &others {
        wait::until_ok(SETTLE, || cluster.port_answers(*node))?;
    }
    let knocking = others.iter().map(|node| start_knocking(cluster, *node, KNOCKING));
    let knocking = knocking.collect::<Result<Vec<_>>>()?;
    std::thread::sleep(Duration::from_secs(1));
    let (fault, start) = (SystemTime::now(), Instant::now());
    power::cut(victim)?;
    wait::until_ok(SETTLE, || match cluster.containers_on("lost", &others)?.len() {
        REPLICAS => Ok(()),
        count => bail!("{count} of {REPLICAS} run"),
    })
    .context("the tasks of a dead node")?;
    let moved = start.elapsed().as_millis() as f64;
    let silences = knocking
        .into_iter()
        .map(|child| Ok(ceased(&finish(child)?, fault)? as f64));
    let silences = silences.collect::<Result<Vec<_>>>()?;
    power::restore(&mut cluster.record, victim)?;
    netd::start(&cluster.record, victim)?;
    wait::until_ok(SETTLE, || match roster::row(cluster, asked, victim)? {
        row if row.status == "Ready" && row.manager != "Unreachable" => Ok(()),
        row => bail!("{row:?}"),
    })?;
    Ok((silences, moved))
}

/// Median, 99th percentile and greatest of some milliseconds (nearest rank).
fn percentiles(name: &str, mut values: Vec<f64>) -> Vec<Figure> {
    values.sort_by(f64::total_cmp);
    let rank = |share: f64| {
        let rank = (share * values.len() as f64).ceil() as usize;
        values.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    };
    let figure = |suffix: &str, value| Figure {
        name: format!("{name}_{suffix}"),
        value,
        unit: "ms".to_owned(),
    };
    vec![
        figure("p50", rank(0.5)),
        figure("p99", rank(0.99)),
        figure("max", rank(1.0)),
    ]
}

#[cfg(test)]
mod tests {
    use super::percentiles;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let figures = percentiles("x", (1..=20).rev().map(f64::from).collect());
        let values: Vec<(&str, f64)> = figures.iter().map(|f| (f.name.as_str(), f.value)).collect();
        assert_eq!(values, [("x_p50", 10.0), ("x_p99", 20.0), ("x_max", 20.0)]);
    }
}
