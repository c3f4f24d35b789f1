//! Connections, requests and bits a second on three paths between the same two
//! programs: direct (task to task address), by virtual IP, by published port
//! through a node that has no task.
//!
//! The paths take turns within a round and the median round counts, so that
//! what else the machine does hits all of them.

use super::Figure;
use crate::demo::cluster::{Cluster, Container};
use crate::demo::{join, names};
use crate::lab::images::{self, TOOLS};
use crate::lab::layout::Node;
use crate::lab::place::Place;
use crate::lab::state::Flavour;
use crate::lab::{self, wait};
use crate::{binaries, interrupt};
use anyhow::{Context, Result};
use std::process::Child;
use std::time::Duration;

const N1: Place = Place::Node(Node(1));
const ROUNDS: usize = 3;
const SECONDS: u32 = 3;
/// A server for each path: the server's kernel remembers ended connections by their ports, and one
/// by virtual IP may look to it like an old packet of a direct one.
const PAGES_PORTS: [u16; PATHS.len()] = [7_100, 7_101, 7_102];
const IPERF_PORT: u16 = 5_201;
const READY: Duration = Duration::from_secs(20);

/// What is measured, with its unit.
const METRICS: [(&str, &str); 3] = [("connections", "1/s"), ("requests", "1/s"), ("throughput", "gbit/s")];
/// The paths; the first is what the others are compared with.
const PATHS: [&str; 3] = ["direct", "vip", "published"];

/// Where a measurement starts and what it talks to.
struct Path {
    /// Words that put a program of the machine into the right network.
    enter: String,
    place: Place,
    target: String,
    pages_port: u16,
}

/// Measures in a lab of its own.
///
/// # Errors
/// The cluster does not come up, or a tool prints no figure.
pub fn measure() -> Result<Vec<Figure>> {
    binaries::build_daemons()?;
    interrupt::take_lab_down()?;
    let cluster = Cluster {
        record: lab::up(3, Flavour::Bare)?,
    };
    let figures = in_cluster(&cluster);
    lab::down()?;
    figures
}

fn in_cluster(cluster: &Cluster) -> Result<Vec<Figure>> {
    join::form(cluster)?;
    cluster.quiet(N1, "netctl network create bench-net")?;
    let published = PAGES_PORTS[2];
    let publish = format!("--publish {published}:{published} --publish {IPERF_PORT}:{IPERF_PORT}");
    for (name, node, publish) in [("server", "n2", publish.as_str()), ("asker", "n3", "")] {
        let place = format!("--network bench-net --constraint node.hostname=={node} {publish}");
        cluster.quiet(
            N1,
            &format!("netctl service create --name {name} {place} {TOOLS} sleep infinity"),
        )?;
        cluster.await_replicas(name, 1)?;
    }
    let (server, asker) = (cluster.container("server")?, cluster.container("asker")?);
    let servers = start_servers(cluster, &server)?;
    let paths = paths(cluster, &server, &asker)?;
    let figures = rounds(cluster, &paths);
    for mut child in servers {
        child.kill()?;
        child.wait()?;
    }
    figures
}

/// Enters the network of a container, for programs that its image lacks.
fn enter(cluster: &Cluster, container: &Container) -> Result<String> {
    let line = format!("docker inspect -f '{{{{.State.Pid}}}}' {}", container.id);
    let pid = cluster.quiet(Place::Node(container.node), &line)?;
    Ok(format!("nsenter --net=/proc/{}/ns/net", pid.trim()))
}

fn start_servers(cluster: &Cluster, server: &Container) -> Result<Vec<Child>> {
    let (enter, place) = (enter(cluster, server)?, Place::Node(server.node));
    let pages = PAGES_PORTS.map(|port| format!("{enter} {} pages {port}", images::probe().display()));
    let iperf = format!("{enter} iperf3 -s -p {IPERF_PORT}");
    let lines = pages.iter().chain([&iperf]);
    lines.map(|line| cluster.background(place, line)).collect()
}

fn paths(cluster: &Cluster, server: &Container, asker: &Container) -> Result<[Path; PATHS.len()]> {
    let inside = enter(cluster, asker)?;
    let place = Place::Node(asker.node);
    let address = |name: &str| {
        let found = wait::until_ok(READY, || {
            names::lookup(cluster, asker, name)?
                .into_iter()
                .next()
                .context("no address")
        });
        found.with_context(|| format!("looking up {name}"))
    };
    // Not the node of the task: the request crosses the mesh.
    let ingress = cluster
        .nodes()
        .find(|node| *node != server.node && *node != asker.node)
        .context("three nodes")?;
    Ok([
        Path {
            enter: inside.clone(),
            place,
            target: address("tasks.server")?,
            pages_port: PAGES_PORTS[0],
        },
        Path {
            enter: inside,
            place,
            target: address("server")?,
            pages_port: PAGES_PORTS[1],
        },
        Path {
            enter: String::new(),
            place: Place::Client,
            target: ingress.address().to_string(),
            pages_port: PAGES_PORTS[2],
        },
    ])
}

fn rounds(cluster: &Cluster, paths: &[Path; PATHS.len()]) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (metric, unit) in METRICS {
        let mut samples = vec![Vec::new(); PATHS.len()];
        for _ in 0..ROUNDS {
            for (path, samples) in paths.iter().zip(&mut samples) {
                samples.push(wait::until_ok(READY, || sample(cluster, path, metric))?);
            }
        }
        let medians: Vec<f64> = samples.into_iter().map(median).collect();
        figures.push(figure(format!("lab_direct_{metric}"), medians[0], unit));
        for (path, value) in PATHS.iter().zip(&medians).skip(1) {
            figures.push(figure(format!("lab_{path}_{metric}"), *value, unit));
            figures.push(figure(
                format!("lab_{path}_{metric}_ratio"),
                value / medians[0],
                "ratio",
            ));
        }
    }
    Ok(figures)
}

fn figure(name: String, value: f64, unit: &str) -> Figure {
    Figure {
        name,
        value: (value * 1000.0).round() / 1000.0,
        unit: unit.to_owned(),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn sample(cluster: &Cluster, path: &Path, metric: &str) -> Result<f64> {
    let Path {
        enter,
        place,
        target,
        pages_port,
    } = path;
    let close = if metric == "connections" {
        "-H 'Connection: close'"
    } else {
        ""
    };
    let line = match metric {
        "throughput" => format!("{enter} iperf3 -c {target} -p {IPERF_PORT} -t {SECONDS} -J"),
        _ => format!("{enter} wrk -t2 -c16 -d{SECONDS}s {close} http://{target}:{pages_port}/"),
    };
    let text = cluster.quiet(*place, &line)?;
    match metric {
        "throughput" => {
            let report: serde_json::Value = serde_json::from_str(&text)?;
            let bits = report["end"]["sum_received"]["bits_per_second"].as_f64();
            Ok(bits.context("iperf3 reports no figure")? / 1e9)
        }
        _ => {
            let rate = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
            rate.and_then(|rate| rate.trim().parse().ok())
                .with_context(|| format!("wrk reports no figure: {text}"))
        }
    }
}
