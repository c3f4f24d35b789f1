//! Step 1: `swarm init` on n1, its printed line on the others, and what must
//! be refused.

use super::cluster::{Cluster, SETTLE};
use super::report::Report;
use super::traces;
use crate::lab::layout::Node;
use crate::lab::place::Place;
use crate::lab::{netd, wait};
use anyhow::{Context, Result, bail};

const N1: Place = Place::Node(Node(1));
const N2: Place = Place::Node(Node(2));

/// Makes the cluster.
///
/// # Errors
/// There is no cluster to go on with.
pub fn run(cluster: &Cluster, report: &mut Report) -> Result<()> {
    for node in cluster.nodes() {
        netd::start(&cluster.record, node)?;
    }
    report.check("before: the cluster mode is inactive", traces::inactive(cluster, N1));
    let init = cluster.typed(N1, &format!("netctl swarm init --advertise-addr {}", Node(1).address()));
    report.require(
        "swarm init prints the join command",
        init.as_ref().map_err(again).and_then(|text| join_line(text)),
    )?;
    let line = join_line(&init?)?;
    report.check(
        "a second swarm init is refused",
        cluster.refused(N1, "netctl swarm init", "already"),
    );
    let tokens = cluster.quiet(
        N1,
        "netctl swarm join-token -q worker; netctl swarm join-token -q manager",
    );
    report.check(
        "worker and manager tokens differ",
        tokens.and_then(|text| two_tokens(&text)),
    );
    refusals(cluster, report, &line)?;
    for node in cluster.nodes().skip(1) {
        let joined = cluster
            .typed(Place::Node(node), &line)
            .map(|text| text.trim().to_owned());
        report.require(
            &format!("the printed line works on {} as it stands", node.name()),
            joined,
        )?;
    }
    report.require(
        "node ls: all Ready, one Leader",
        wait::until_ok(SETTLE, || all_ready(cluster)),
    )?;
    report.check(
        "node ls on a worker is refused",
        cluster.refused(N2, "netctl node ls", "manager"),
    );
    Ok(())
}

/// Makes a cluster of all nodes without a word, for those who only need one.
///
/// # Errors
/// It does not come up.
pub fn form(cluster: &Cluster) -> Result<()> {
    for node in cluster.nodes() {
        netd::start(&cluster.record, node)?;
    }
    let init = cluster.quiet(N1, &format!("netctl swarm init --advertise-addr {}", Node(1).address()))?;
    let line = join_line(&init)?;
    for node in cluster.nodes().skip(1) {
        cluster.quiet(Place::Node(node), &line)?;
    }
    wait::until_ok(SETTLE, || all_ready(cluster)).map(|_| ())
}

/// As [`form`], with these nodes as managers besides n1.
///
/// # Errors
/// It does not come up.
pub fn form_with_managers(cluster: &Cluster, others: &[Node]) -> Result<()> {
    form(cluster)?;
    for node in others {
        cluster.quiet(N1, &format!("netctl node promote {}", node.name()))?;
    }
    wait::until_ok(SETTLE, || all_reachable(cluster, others.len()))
}

fn all_reachable(cluster: &Cluster, others: usize) -> Result<()> {
    let listed = cluster.quiet(N1, "netctl node ls")?;
    match listed.lines().filter(|row| row.contains("Reachable")).count() {
        count if count == others => Ok(()),
        _ => bail!("node ls shows:\n{listed}"),
    }
}

fn again(error: &anyhow::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}

/// The join command that `swarm init` or `join-token` printed.
///
/// # Errors
/// There is none.
pub fn join_line(text: &str) -> Result<String> {
    let line = text.lines().find(|line| line.contains("swarm join --token"));
    Ok(line
        .with_context(|| format!("no join command in: {text}"))?
        .trim()
        .to_owned())
}

fn two_tokens(text: &str) -> Result<String> {
    match text.split_whitespace().collect::<Vec<_>>().as_slice() {
        [worker, manager] if worker != manager && worker.starts_with("SWMTKN-1-") => Ok(String::new()),
        other => bail!("got {other:?}"),
    }
}

/// A wrong secret and a wrong CA digest, each with one letter changed.
fn refusals(cluster: &Cluster, report: &mut Report, line: &str) -> Result<()> {
    let token = line
        .split_whitespace()
        .find(|word| word.starts_with("SWMTKN-"))
        .context("no token")?;
    let parts: Vec<&str> = token.split('-').collect();
    let [_, _, digest, secret] = parts.as_slice() else {
        bail!("a token of {} parts", parts.len())
    };
    let wrong_secret = line.replace(secret, &other_end(secret));
    report.check("a wrong token is refused", cluster.refused(N2, &wrong_secret, "token"));
    let wrong_digest = line.replace(digest, &other_end(digest));
    report.check("a wrong CA is refused", cluster.refused(N2, &wrong_digest, "CA"));
    report.check("and n2 has joined nothing", traces::inactive(cluster, N2));
    Ok(())
}

fn other_end(text: &str) -> String {
    let (head, last) = text.split_at(text.len() - 1);
    format!("{head}{}", if last == "0" { "1" } else { "0" })
}

fn all_ready(cluster: &Cluster) -> Result<String> {
    let listed = cluster.quiet(N1, "netctl node ls")?;
    let count = |word: &str| listed.lines().skip(1).filter(|row| row.contains(word)).count();
    let nodes = usize::from(cluster.record.count());
    if (count("Ready"), count("Active"), count("Leader")) == (nodes, nodes, 1) {
        return Ok(format!("{nodes} nodes"));
    }
    bail!("node ls shows:\n{listed}")
}
