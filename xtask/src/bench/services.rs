//! `cargo xtask bench services`: how fast services come up and get over a kill, beside the engine's own floor in the same
//! run, and what an idle daemon costs. Labs of one and of three nodes.
//!
//! Engines run with their defaults, and the floor is what a user of docker would type: `docker run -d IMAGE`, which gives
//! a container a place in the engine's own bridge network. Beside it stand the same in a bridge network with a name, for
//! which the engine starts a resolver with rules of iptables in each container; and with none at all.
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
            record: lab::up(nodes, Flavour::HostLike)?,
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

/// Floors of the engine: suffix of the figure's name, and options of `docker run`.
const FLOORS: [(&str, &str); 3] = [
    ("engine_floor", ""),
    ("named_network_floor", "--network named"),
    ("networkless_floor", "--network none"),
];

fn measure(cluster: &Cluster, nodes: u8, rounds: usize) -> Result<Vec<Figure>> {
    join::form(cluster)?;
    cluster.quiet(N1, "netctl network create bench")?;
    cluster.quiet(N1, "docker network create named >/dev/null")?;
    let mut figures = idle(nodes)?;
    // The first container of an engine is slower than all others.
    floor(cluster, 1, "")?;
    for replicas in [1, 30] {
        let name = format!("nodes_{nodes}_create_{replicas}");
        figures.extend(beside(cluster, &name, rounds, replicas, create)?);
    }
    let name = format!("nodes_{nodes}_kill_to_running");
    figures.extend(beside(cluster, &name, rounds, 1, |cluster, _| kill(cluster))?);
    Ok(figures)
}

/// Measures ours and the floors in turn: medians, and for each floor the ratio and the difference.
fn beside(
    cluster: &Cluster,
    name: &str,
    rounds: usize,
    count: usize,
    ours: fn(&Cluster, usize) -> Result<f64>,
) -> Result<Vec<Figure>> {
    let (mut own, mut floors) = (Vec::new(), FLOORS.map(|_| Vec::new()));
    for _ in 0..rounds {
        for (floors, (_, options)) in floors.iter_mut().zip(FLOORS) {
            floors.push(floor(cluster, count, options)?);
        }
        own.push(ours(cluster, count)?);
    }
    let own = median(own);
    let figure = |suffix: &str, value, unit: &str| Figure {
        name: format!("{name}{suffix}"),
        value,
        unit: unit.to_owned(),
    };
    let mut figures = vec![figure("", own, "s")];
    for (values, (floor, _)) in floors.into_iter().zip(FLOORS) {
        let value = median(values);
        figures.extend([
            figure(&format!("_{floor}"), value, "s"),
            figure(&format!("_to_{floor}"), own / value, "ratio"),
            figure(&format!("_over_{floor}"), own - value, "s"),
        ]);
    }
    Ok(figures)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Seconds that so many parallel `docker run -d` take on the first node's engine.
fn floor(cluster: &Cluster, count: usize, options: &str) -> Result<f64> {
    let line = format!(
        "for i in $(seq {count}); do docker run -d {options} --label floor {TOOLS} sleep 3600 >/dev/null & done; wait"
    );
    let start = Instant::now();
    cluster.quiet(N1, &line)?;
    let took = start.elapsed().as_secs_f64();
    cluster.quiet(N1, "docker rm -f $(docker ps -aq --filter label=floor) >/dev/null")?;
    Ok(took)
}

/// Seconds from `service create` to all tasks running, on an overlay with a virtual IP.
fn create(cluster: &Cluster, replicas: usize) -> Result<f64> {
    let line = format!(
        "netctl service create -d --name bench --network bench --replicas {replicas} {TOOLS} sleep 3600 >/dev/null"
    );
    let took = until_running(cluster, &line, replicas)?;
    remove(cluster)?;
    Ok(took)
}

/// Seconds from the kill of a task to its replacement running, without a restart delay.
fn kill(cluster: &Cluster) -> Result<f64> {
    let line = format!(
        "netctl service create -d --name bench --network bench --restart-delay 0s --constraint node.hostname==n1 \
         {TOOLS} sleep 3600 >/dev/null"
    );
    until_running(cluster, &line, 1)?;
    let old = cluster.container("bench")?;
    let took = until_running(cluster, &format!("docker kill {} >/dev/null", old.id), 1)?;
    remove(cluster)?;
    Ok(took)
}

/// Seconds from the begin of `action` until so many tasks have come to run since. Events tell it: asking again and again
/// would take the processor from what is measured.
fn until_running(cluster: &Cluster, action: &str, tasks: usize) -> Result<f64> {
    let seconds = SETTLE.as_secs();
    let line = format!(
        r#"bash <<'END'
exec 3< <(exec netctl events -f type=task -f event=update --format '{{{{.Actor.Attributes.state}}}}')
events=$!; trap 'kill $events' EXIT; sleep 0.5
begin=$(date +%s%N); {action}
left={tasks}
while [ $left -gt 0 ]; do
  read -r -t {seconds} state <&3 || {{ echo "$left of {tasks} tasks do not run" >&2; exit 1; }}
  [ "$state" = running ] && left=$((left - 1))
done
echo $(($(date +%s%N) - begin))
END"#
    );
    let nanos: f64 = cluster.quiet(N1, &line)?.trim().parse()?;
    Ok(nanos / 1e9)
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
