//! `cargo xtask bench services`: how fast services come up and get over a kill, beside the engine's own floor in the same
//! run, and what an idle daemon costs. Labs of one and of three nodes.
//!
//! Prints `name value unit` lines and writes them to `target/bench/services.json`. Ratios are what counts: both sides are
//! measured in turn on the same machine.

use super::{Figure, Figures};
use crate::demo::cluster::{Cluster, SETTLE};
use crate::demo::join;
use crate::lab::images::TOOLS;
use crate::lab::layout::Node;
use crate::lab::place::Place;
use crate::lab::state::Flavour;
use crate::lab::{self, netd, wait};
use crate::{binaries, interrupt, repo, setup};
use anyhow::{Context, Result, bail};
use std::time::{Duration, Instant};

const N1: Place = Place::Node(Node(1));
/// How long an idle daemon is watched.
const IDLE: Duration = Duration::from_secs(20);
/// Ticks of the kernel's process times in a second, as on every Linux (`sysconf(_SC_CLK_TCK)`).
const TICKS: f64 = 100.0;

/// Measures in a lab of one node, then of three.
///
/// # Errors
/// A lab does not come up, or a service does not.
pub fn run(rounds: usize) -> Result<()> {
    setup::setup()?;
    binaries::build_daemons()?;
    interrupt::take_lab_down()?;
    let mut figures = Vec::new();
    for nodes in [1, 3] {
        let cluster = Cluster {
            record: lab::up(nodes, Flavour::Bare)?,
        };
        let measured = measure(&cluster, nodes, rounds);
        lab::down()?;
        figures.extend(measured?);
    }
    for figure in &figures {
        println!("{} {:.3} {}", figure.name, figure.value, figure.unit);
    }
    let folder = repo::target().join("bench");
    std::fs::create_dir_all(&folder)?;
    let text = serde_json::to_vec_pretty(&Figures { figures })?;
    Ok(std::fs::write(folder.join("services.json"), text)?)
}

fn measure(cluster: &Cluster, nodes: u8, rounds: usize) -> Result<Vec<Figure>> {
    join::form(cluster)?;
    cluster.quiet(N1, "netctl network create bench")?;
    let mut figures = idle(nodes)?;
    // The first container of an engine is slower than all others.
    floor(cluster, 1)?;
    for replicas in [1, 30] {
        let (mut own, mut engine) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            engine.push(floor(cluster, replicas)?);
            own.push(create(cluster, replicas)?);
        }
        let name = format!("nodes_{nodes}_create_{replicas}");
        figures.extend(beside(&name, own, engine));
    }
    let (mut own, mut engine) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        engine.push(floor(cluster, 1)?);
        own.push(kill(cluster)?);
    }
    figures.extend(beside(&format!("nodes_{nodes}_kill_to_running"), own, engine));
    Ok(figures)
}

/// Medians of both, their ratio and their difference.
fn beside(name: &str, own: Vec<f64>, engine: Vec<f64>) -> Vec<Figure> {
    let (own, engine) = (median(own), median(engine));
    let figure = |suffix: &str, value, unit: &str| Figure {
        name: format!("{name}{suffix}"),
        value,
        unit: unit.to_owned(),
    };
    vec![
        figure("", own, "s"),
        figure("_engine_floor", engine, "s"),
        figure("_ratio", own / engine, "ratio"),
        figure("_over_floor", own - engine, "s"),
    ]
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Seconds that so many parallel `docker run -d` take on the first node's engine.
fn floor(cluster: &Cluster, count: usize) -> Result<f64> {
    let line = format!(
        "for i in $(seq {count}); do docker run -d --network none --label floor {TOOLS} sleep 3600 >/dev/null & done; wait"
    );
    let start = Instant::now();
    cluster.quiet(N1, &line)?;
    let took = start.elapsed().as_secs_f64();
    cluster.quiet(N1, "docker rm -f $(docker ps -aq --filter label=floor) >/dev/null")?;
    Ok(took)
}

/// Seconds from `service create` to all tasks running, on an overlay with a virtual IP.
fn create(cluster: &Cluster, replicas: usize) -> Result<f64> {
    let line =
        format!("netctl service create -d --name bench --network bench --replicas {replicas} {TOOLS} sleep 3600");
    let start = Instant::now();
    cluster.quiet(N1, &line)?;
    wait::until_ok(SETTLE, || all_run(cluster, replicas))?;
    let took = start.elapsed().as_secs_f64();
    remove(cluster)?;
    Ok(took)
}

/// Seconds from the kill of a task to its replacement running, without a restart delay.
fn kill(cluster: &Cluster) -> Result<f64> {
    let line = format!("netctl service create -d --name bench --network bench --restart-delay 0s {TOOLS} sleep 3600");
    cluster.quiet(N1, &line)?;
    wait::until_ok(SETTLE, || all_run(cluster, 1))?;
    let old = cluster.container("bench")?;
    let start = Instant::now();
    cluster.quiet(Place::Node(old.node), &format!("docker kill {}", old.id))?;
    wait::until_ok(SETTLE, || match cluster.container("bench")? {
        same if same == old => bail!("it still runs"),
        _ => all_run(cluster, 1),
    })?;
    let took = start.elapsed().as_secs_f64();
    remove(cluster)?;
    Ok(took)
}

fn all_run(cluster: &Cluster, replicas: usize) -> Result<()> {
    let shown = cluster.quiet(N1, "netctl service ls --format '{{.Replicas}}' -f name=bench")?;
    match shown.trim() == format!("{replicas}/{replicas}") {
        true => Ok(()),
        false => bail!("{shown}"),
    }
}

fn remove(cluster: &Cluster) -> Result<()> {
    cluster.quiet(N1, "netctl service rm bench")?;
    wait::until_ok(SETTLE, || match cluster.containers("bench")?.len() {
        0 => Ok(()),
        left => bail!("{left} containers are left"),
    })
}

/// Resident memory and processor time of daemons that have nothing to do.
fn idle(nodes: u8) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let watched = [(Node(1), "manager"), (Node(nodes), "worker")];
    let watched = if nodes == 1 { &watched[..1] } else { &watched[..] };
    std::thread::sleep(Duration::from_secs(5));
    let before: Vec<f64> = watched.iter().map(|(node, _)| ticks(*node)).collect::<Result<_>>()?;
    std::thread::sleep(IDLE);
    for ((node, role), before) in watched.iter().zip(before) {
        let busy = (ticks(*node)? - before) / TICKS / IDLE.as_secs_f64() * 100.0;
        let figure = |what: &str, value, unit: &str| Figure {
            name: format!("nodes_{nodes}_idle_{role}_{what}"),
            value,
            unit: unit.to_owned(),
        };
        figures.push(figure("memory", resident(*node)?, "MiB"));
        figures.push(figure("cpu", busy, "%"));
    }
    Ok(figures)
}

fn pid(node: Node) -> Result<nix::unistd::Pid> {
    netd::running(node).with_context(|| format!("netd of {} does not run", node.name()))
}

/// User and system time of a node's daemon so far, in ticks; proc(5), fields 14 and 15.
fn ticks(node: Node) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid(node)?))?;
    let fields = stat.rsplit(')').next().context("no stat")?.split_whitespace();
    let times = fields.skip(11).take(2).map(str::parse::<f64>);
    Ok(times.collect::<Result<Vec<_>, _>>()?.iter().sum())
}

/// MiB.
fn resident(node: Node) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid(node)?))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line
        .and_then(|text| text.split_whitespace().next())
        .context("no VmRSS")?
        .parse()?;
    Ok(kib / 1024.0)
}
