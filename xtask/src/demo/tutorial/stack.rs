//! Step 14 and the end of 15: a stack of two services, and a service that goes.

use super::services::shows;
use super::{N1, at, silent};
use crate::demo::cluster::{Cluster, SETTLE};
use crate::demo::report::Report;
use crate::lab::images::TOOLS;
use crate::lab::wait;
use anyhow::{Result, bail};

/// Where the file is written, on n1.
const FILE: &str = "/run/stack.yml";

/// Deploys, changes, removes.
///
/// # Errors
/// The stack does not come up.
pub fn run(cluster: &Cluster, report: &mut Report) -> Result<()> {
    write(cluster, 1)?;
    let deploy = format!("netctl stack deploy -c {FILE} shop");
    report.require(&deploy, silent(cluster.typed(at(N1), &deploy)))?;
    report.check("stack ls", shows(cluster, "netctl stack ls", "shop"));
    report.check(
        "stack services",
        shows(cluster, "netctl stack services shop", "shop_front"),
    );
    report.check("stack ps", shows(cluster, "netctl stack ps shop", "shop_back.1"));
    report.check("the services find each other by their short names", found(cluster));
    write(cluster, 2)?;
    report.check("changes by deploying again", silent(cluster.typed(at(N1), &deploy)));
    report.check("the service has two replicas", cluster.await_replicas("shop_front", 2));
    report.check("stack rm shop", silent(cluster.typed(at(N1), "netctl stack rm shop")));
    let gone = wait::until_ok(SETTLE, || {
        let left = cluster.quiet(
            at(N1),
            "netctl network ls -q -f name=shop; netctl service ls -q -f name=shop",
        )?;
        match (left.trim(), cluster.containers("shop_front")?.len()) {
            ("", 0) => Ok(String::new()),
            (left, _) => bail!("left: {left}"),
        }
    });
    report.check("nothing of it is left", gone);
    cluster.quiet(at(N1), &format!("rm -f {FILE} /run/stack-secret"))?;
    Ok(())
}

fn write(cluster: &Cluster, replicas: u8) -> Result<()> {
    let text = format!(
        "services:\n  front:\n    image: {TOOLS}\n    command: probe whoami 80\n    networks: [inner]\n    \
         secrets: [token]\n    deploy:\n      replicas: {replicas}\n  back:\n    image: {TOOLS}\n    \
         command: [probe, whoami, \"80\"]\n    networks: [inner]\nnetworks:\n  inner:\nsecrets:\n  token:\n    \
         file: stack-secret\n"
    );
    cluster.quiet(
        at(N1),
        &format!("echo opensesame > /run/stack-secret; cat > {FILE} <<'END'\n{text}END"),
    )?;
    Ok(())
}

fn found(cluster: &Cluster) -> Result<String> {
    let front = cluster.container("shop_front")?;
    let answer = wait::until_ok(SETTLE, || cluster.inside(&front, "probe get back 80 / 1"))?;
    match answer.trim() {
        "" => bail!("back answers nothing"),
        _ => Ok(String::new()),
    }
}

/// Step 15: removal everywhere.
///
/// # Errors
/// None so far: every outcome is a claim.
pub fn removal(cluster: &Cluster, report: &mut Report) -> Result<()> {
    report.check(
        "service rm myweb",
        silent(cluster.typed(at(N1), "netctl service rm myweb")),
    );
    let gone = wait::until_ok(SETTLE, || match cluster.containers("myweb")? {
        left if left.is_empty() => Ok(String::new()),
        left => bail!("{left:?}"),
    });
    report.check("its containers are gone everywhere", gone);
    Ok(())
}
