//! Step 3: a service is found by its name, at one address, and balanced over
//! tasks on several nodes.

use super::cluster::{Cluster, Container, SETTLE, fields};
use super::report::Report;
use crate::lab::wait;
use anyhow::{Result, bail};
use std::collections::BTreeSet;

const REQUESTS: u32 = 30;

/// Looks from inside the network.
///
/// # Errors
/// There is no container to look from.
pub fn run(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let tools = cluster.container("tools")?;
    report.check(
        "iotd is one address, the virtual IP",
        wait::until_ok(SETTLE, || resolves(cluster, &tools, "iotd", 1)),
    );
    let tasks = wait::until_ok(SETTLE, || resolves(cluster, &tools, "tasks.iotd", 3));
    report.check("tasks.iotd are three", tasks);
    report.check("the tasks of iotd are on different nodes", spread(cluster));
    report.check(
        "all three tasks answer within 30 requests to the virtual IP",
        balanced(cluster, &tools),
    );
    Ok(())
}

/// The addresses of `name` as `nslookup` in a container shows them.
///
/// # Errors
/// The container is gone.
pub fn lookup(cluster: &Cluster, from: &Container, name: &str) -> Result<BTreeSet<String>> {
    // nslookup ends with 1 when a name has no IPv6 address.
    let text = cluster.inside(from, &format!("sh -c 'nslookup {name} 2>&1; true'"))?;
    let answers = text.lines().skip_while(|line| !line.starts_with("Name:"));
    let addresses = answers.filter_map(|line| line.strip_prefix("Address")?.rsplit(' ').next());
    Ok(addresses
        .map(|word| word.trim_start_matches(':').trim().to_owned())
        .collect())
}

/// A name has so many addresses in a container.
///
/// # Errors
/// It has not; the error shows those that it has.
pub fn resolves(cluster: &Cluster, from: &Container, name: &str, count: usize) -> Result<String> {
    let found = lookup(cluster, from, name)?;
    let list = found.iter().cloned().collect::<Vec<_>>().join(" ");
    if found.len() == count {
        Ok(list)
    } else {
        bail!("nslookup {name} gives {} addresses: {list}", found.len())
    }
}

fn spread(cluster: &Cluster) -> Result<String> {
    let nodes: BTreeSet<String> = cluster
        .containers("iotd")?
        .into_iter()
        .map(|task| task.node.name())
        .collect();
    let list = nodes.iter().cloned().collect::<Vec<_>>().join(" ");
    if nodes.len() == 3 {
        Ok(list)
    } else {
        bail!("they are on {list}")
    }
}

fn balanced(cluster: &Cluster, tools: &Container) -> Result<String> {
    let text = cluster.inside(tools, &format!("probe get iotd 80 / {REQUESTS}"))?;
    let answered = fields(&text, "api");
    if answered.len() == 3 {
        Ok(String::new())
    } else {
        bail!("{} of 3 answered: {answered:?}", answered.len())
    }
}
