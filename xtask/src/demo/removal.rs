//! Step 8: services and networks are removed; containers, links
//! and map rows are gone on every node.

use super::cluster::{Cluster, SETTLE};
use super::report::Report;
use super::traces;
use crate::lab::layout::Node;
use crate::lab::place::Place;
use crate::lab::wait;
use anyhow::{Result, bail};

const N1: Place = Place::Node(Node(1));

/// Shell lines whose output must be empty on every node.
const TRACES: &[(&str, &str)] = &[
    ("containers", "docker ps -aq --filter label=com.docker.swarm.task.id"),
    ("links of containers", "ip -o link | grep -oE 'ntl[0-9a-f]{11}' || true"),
];

/// Removes everything and looks for traces.
///
/// # Errors
/// None so far: every outcome is a claim.
pub fn run(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let busy = cluster.refused(N1, "netctl network rm iotd-net", "iotd-net");
    report.check("a network in use is not removed", busy);
    let services = cluster.typed(N1, "netctl service rm web iotd accesslog tools echo hermit");
    report.check("service rm", services.map(|_| String::new()));
    let networks = wait::until_ok(SETTLE, || cluster.quiet(N1, "netctl network rm iotd-net backroom"));
    report.check("network rm iotd-net backroom", networks.map(|_| String::new()));
    for node in cluster.nodes() {
        for (what, line) in TRACES {
            let outcome = wait::until_ok(SETTLE, || traces::none(cluster, Place::Node(node), line));
            report.check(&format!("{}: no {what}", node.name()), outcome);
        }
        let rows = wait::until_ok(SETTLE, || no_rows(cluster, node));
        report.check(
            &format!("{}: no rows of services or tasks in the maps", node.name()),
            rows,
        );
    }
    let page = format!("curl -sS -m 2 http://{}:8080/", Node(1).address());
    let gone = cluster.refused(Place::Client, &page, "8080");
    report.check("port 8080 answers no more", gone);
    Ok(())
}

/// Maps that hold rows of services and tasks and nothing else. `PORT` has the node's ways out, too; a container's row
/// there goes with that in `DNS_CLIENT`.
const TASK_MAPS: &[&str] = &["ENDPOINT", "FRONTEND", "BACKEND", "DNS_CLIENT"];

fn no_rows(cluster: &Cluster, node: Node) -> Result<String> {
    let text = cluster.quiet(Place::Node(node), "netctl datapath dump")?;
    for map in TASK_MAPS {
        let row = text.lines().find_map(|line| line.strip_prefix(&format!("map {map} ")));
        match row.map(str::trim) {
            Some("0") => {}
            Some(count) => bail!("{map} has {count} rows"),
            None => bail!("datapath dump does not show {map}:\n{text}"),
        }
    }
    Ok(format!("{} are empty", TASK_MAPS.join(", ")))
}
