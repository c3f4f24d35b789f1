//! The engine restarts and takes its containers with it; the engine hangs.

use super::{N1, N2, SERVICE, all_run};
use crate::demo::cluster::{Cluster, SETTLE};
use crate::demo::report::Report;
use crate::lab::images::TOOLS;
use crate::lab::place::Place;
use crate::lab::{engine, wait};
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// Longer than any timeout of a call to an engine that would make somebody try again.
const HANG: Duration = Duration::from_secs(12);

/// n2's engine ends as its service manager would end it, and starts again.
///
/// # Errors
/// The engine does not come back.
pub fn restarted(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let before = cluster.containers_on(SERVICE, &[N2])?;
    println!("   n2's engine is restarted");
    engine::stop_engine(&cluster.record, N2)?;
    engine::start_engine(&cluster.record, N2)?;
    engine::await_engine(&cluster.record, N2)?;
    let start = Instant::now();
    let replaced = wait::until_ok(SETTLE, || all_run(cluster));
    let told = replaced.map(|_| format!("{:.1} s after it answered again", start.elapsed().as_secs_f64()));
    report.check("all replicas run", told);
    let now = cluster.containers_on(SERVICE, &[N2])?;
    let fresh = if before.is_disjoint(&now) {
        Ok(String::new())
    } else {
        bail!("it lost no container: {now:?}")
    };
    report.check("those that it killed were replaced", fresh);
    report.check(
        "port 80 of n2 answers",
        wait::until_ok(SETTLE, || cluster.port_answers(N2)),
    );
    Ok(())
}

/// A container on n2 in a network with names: its process, as the host has it.
fn asker(cluster: &Cluster, report: &mut Report) -> Result<String> {
    for line in [
        "netctl network create calm".to_owned(),
        format!(
            "netctl service create --name asker --network calm --constraint node.hostname=={} {TOOLS} sleep infinity",
            N2.name()
        ),
    ] {
        report.require(&line, cluster.typed(Place::Node(N1), &line).map(|_| String::new()))?;
    }
    report.require("it runs", cluster.await_replicas("asker", 1))?;
    let container = cluster.container("asker")?;
    let inspect = format!("docker inspect --format {{{{.State.Pid}}}} {}", container.id);
    Ok(cluster.quiet(Place::Node(N2), &inspect)?.trim().to_owned())
}

/// The container's own service has an address there; asked without the engine.
fn resolves(cluster: &Cluster, process: &str) -> Result<String> {
    let line = format!("nsenter --target {process} --mount --net nslookup -type=a asker");
    let text = cluster.quiet(Place::Node(N2), &line)?;
    if text.contains("Name:") {
        Ok(String::new())
    } else {
        bail!("nslookup says {text}")
    }
}

/// n2's engine answers nobody for a while.
///
/// # Errors
/// The engine cannot be stopped.
pub fn hangs(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let signal = |word: &str| {
        let line = format!("kill -{word} \"$(cat /var/run/docker.pid)\"");
        cluster.quiet(Place::Node(N2), &line).map(|_| ())
    };
    let asker = asker(cluster, report)?;
    let before = cluster.containers(SERVICE)?;
    println!("   n2's engine hangs");
    signal("STOP")?;
    let start = Instant::now();
    let (mut answers, mut names) = (Ok(String::new()), Ok(String::new()));
    while answers.is_ok() && names.is_ok() && start.elapsed() < HANG {
        answers = cluster.port_answers(N2);
        names = resolves(cluster, &asker);
        std::thread::sleep(Duration::from_millis(500));
    }
    signal("CONT")?;
    report.check("meanwhile port 80 of n2 answered every request", answers);
    report.check("and its containers found services by name", names);
    engine::await_engine(&cluster.record, N2)?;
    std::thread::sleep(Duration::from_secs(3));
    let now = cluster.containers(SERVICE)?;
    let same = if now == before {
        Ok(String::new())
    } else {
        bail!("before: {before:?}, now: {now:?}")
    };
    report.check("no container was made or lost", same);
    Ok(())
}
