//! What a node must not have while it is in no cluster. Looked at after
//! `swarm leave`, and after every refusal to enter.

use super::cluster::Cluster;
use crate::lab::place::Place;
use anyhow::{Context, Result, bail};

/// What, and the line that prints it; silence is the wanted answer.
pub const OF_A_NODE: &[(&str, &str)] = &[
    ("containers", "docker ps -aq --filter label=com.docker.swarm.task.id"),
    ("links", "ip -o link | grep ntl- || true"),
    (
        "the gate of containers",
        "grep ' /run/netctl/gate ' /proc/mounts || true",
    ),
    ("pins", "find /sys/fs/bpf/netctl -type f 2>/dev/null || true"),
    ("routes", "ip route | grep -E 'ntl|169[.]254[.]6' || true"),
    (
        "state",
        "find /var/lib/netctl -type f ! -name '*.lock' 2>/dev/null || true",
    ),
];

/// Succeeds when `line` prints nothing.
///
/// # Errors
/// Names what it prints.
pub fn none(cluster: &Cluster, place: Place, line: &str) -> Result<String> {
    let text = cluster.quiet(place, line)?;
    if text.trim().is_empty() {
        Ok(String::new())
    } else {
        bail!("{}", text.trim().replace('\n', " "))
    }
}

/// Succeeds when `netctl info` says that the node is in no cluster.
///
/// # Errors
/// Shows what it says instead.
pub fn inactive(cluster: &Cluster, place: Place) -> Result<String> {
    let info = cluster.quiet(place, "netctl info")?;
    let line = info.lines().find(|line| line.trim().starts_with("Swarm:"));
    let line = line.context("no Swarm: line")?.trim();
    if line.contains("inactive") {
        Ok(line.to_owned())
    } else {
        bail!("{line}")
    }
}

/// Succeeds when nothing of ours is on a node: what a refusal must leave.
/// `except` names what cannot be looked at now.
///
/// # Errors
/// Names what is there.
pub fn nothing_made(cluster: &Cluster, place: Place, except: &[&str]) -> Result<String> {
    for (what, line) in OF_A_NODE.iter().filter(|(what, _)| !except.contains(what)) {
        none(cluster, place, line).with_context(|| format!("there are {what}"))?;
    }
    inactive(cluster, place)
}
