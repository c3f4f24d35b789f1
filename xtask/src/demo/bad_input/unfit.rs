//! Hosts on which `swarm init` must be refused for now: no capabilities, ports
//! in use, no engine, an engine that is in a swarm itself.

use super::HOST;
use crate::demo::cluster::Cluster;
use crate::demo::report::Report;
use crate::demo::traces;
use crate::lab::layout::Node;
use crate::lab::{engine, images, netd, wait};
use anyhow::Result;
use nix::sys::signal::Signal;
use std::time::Duration;

const INIT: &str = "netctl swarm init --advertise-addr 10.77.0.11";
const READY: Duration = Duration::from_secs(10);

/// A daemon without the rights to load programs.
///
/// # Errors
/// It does not start or end.
pub fn capabilities(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let limits = ["setpriv", "--bounding-set=-bpf,-sys_admin"];
    println!("   n1# {} netd &", limits.join(" "));
    netd::start_under(&cluster.record, Node(1), &limits)?;
    refused(cluster, report, "no CAP_BPF", &["CAP_BPF", "CAP_SYS_ADMIN", "as root"]);
    netd::end(Node(1), Signal::SIGTERM)
}

/// The control port and the tunnels' port, each held by somebody.
///
/// # Errors
/// The holder cannot be started.
pub fn ports(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let cases: [(&str, u16, &[&str]); 2] = [
        ("a busy 2377/tcp", 2377, &["2377/tcp", "probe", "--listen-addr"]),
        ("a busy 4789/udp", 4789, &["4789/udp", "probe", "--data-path-port"]),
    ];
    for (what, port, wanted) in cases {
        let line = format!("{} echo {port}", images::probe().display());
        println!("   n1# {line} &");
        let mut holder = cluster.background(HOST, &line)?;
        // The echo listens on UDP as well: by then both are held.
        let held = format!("ss -Hlntu 'sport = :{port}' | grep -q tcp && ss -Hlntu 'sport = :{port}' | grep -q udp");
        let listening = wait::until_ok(READY, || cluster.quiet(HOST, &held));
        report.check(&format!("somebody holds {port}"), listening);
        refused(cluster, report, what, wanted);
        holder.kill()?;
        holder.wait()?;
    }
    Ok(())
}

/// An engine that is stopped, and one that is in swarm mode.
///
/// # Errors
/// The engine cannot be stopped or started.
pub fn engine(cluster: &Cluster, report: &mut Report) -> Result<()> {
    println!("   n1# service docker stop");
    engine::stop_engine(&cluster.record, Node(1))?;
    let outcome = cluster.refused_naming(HOST, INIT, &["docker.sock", "is the docker daemon running"]);
    report.check("a stopped engine: init is refused", outcome);
    let traces = traces::nothing_made(cluster, HOST, &["containers"]);
    report.check("and nothing is half-made", traces);
    println!("   n1# service docker start");
    engine::start_engine(&cluster.record, Node(1))?;
    engine::await_engine(&cluster.record, Node(1))?;
    let swarm = wait::until_ok(READY, || swarm_mode(cluster));
    report.require("the engine enters swarm mode", swarm)?;
    let wanted = ["engine", "part of a swarm", "docker swarm leave --force"];
    refused(cluster, report, "an engine in swarm mode", &wanted);
    let left = cluster.typed(HOST, "docker swarm leave --force");
    report.require("the engine leaves it", left.map(|_| String::new()))
}

/// The engine's first attempt has been seen to fail with its own port in use, and the next to work.
fn swarm_mode(cluster: &Cluster) -> Result<String> {
    let init = cluster.typed(HOST, "docker swarm init --advertise-addr 10.77.0.11");
    let state = cluster.quiet(HOST, "docker info -f '{{.Swarm.LocalNodeState}}'")?;
    match state.trim() {
        "active" => Ok(String::new()),
        _ => init,
    }
}

fn refused(cluster: &Cluster, report: &mut Report, what: &str, wanted: &[&str]) {
    let outcome = cluster.refused_naming(HOST, INIT, wanted);
    report.check(&format!("{what}: init is refused"), outcome);
    report.check("and nothing is half-made", traces::nothing_made(cluster, HOST, &[]));
}
