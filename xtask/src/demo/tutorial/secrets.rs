//! Step 12: a secret and a config, as files of their service and nowhere else.

use super::services::shows;
use super::{N1, at, silent};
use crate::demo::cluster::{Cluster, SETTLE};
use crate::demo::report::Report;
use crate::lab::images::TOOLS;
use crate::lab::place::Place;
use crate::lab::wait;
use anyhow::{Result, bail};

/// Nothing else in the lab has these words.
const PASSWORD: &str = "canary-7f3a91";

/// Creates, reads, removes.
///
/// # Errors
/// The service does not come up.
pub fn run(cluster: &Cluster, report: &mut Report) -> Result<()> {
    for (line, what) in [
        (
            format!("echo {PASSWORD} | netctl secret create password -"),
            "secret create",
        ),
        (
            "echo colour=green | netctl config create settings -".to_owned(),
            "config create",
        ),
    ] {
        report.require(what, silent(cluster.typed(at(N1), &line)))?;
    }
    report.check("secret ls", shows(cluster, "netctl secret ls", "password"));
    report.check("config ls", shows(cluster, "netctl config ls", "settings"));
    report.check("secret inspect never shows the value", hidden(cluster));
    let create = format!(
        "netctl service create --name db --secret source=password,target=password \
         --config source=settings,target=/etc/settings {TOOLS} sleep infinity"
    );
    report.require("a service with both", silent(cluster.typed(at(N1), &create)))?;
    report.require("it runs", cluster.await_replicas("db", 1))?;
    let db = cluster.container("db")?;
    report.check(
        "the secret is a file",
        reads(cluster, "cat /run/secrets/password", PASSWORD),
    );
    report.check("in memory", reads(cluster, "grep /run/secrets /proc/mounts", "tmpfs"));
    report.check(
        "the config is a file at its target",
        reads(cluster, "cat /etc/settings", "colour=green"),
    );
    report.check(
        "a secret in use is not removed",
        cluster.refused_naming(at(N1), "netctl secret rm password", &["in use", "db"]),
    );
    let engine = cluster.quiet(Place::Node(db.node), &format!("docker inspect {}", db.id))?;
    let disk = "grep -rl canary-7f3a91 /var/lib/netctl /run/docker 2>/dev/null; true";
    report.check("the engine's configuration does not have it", lacks(&engine));
    report.check(
        "nor has the disk of its node",
        cluster
            .quiet(Place::Node(db.node), disk)
            .and_then(|text| lacks_any(&text)),
    );
    report.check("service rm db", silent(cluster.typed(at(N1), "netctl service rm db")));
    let gone = wait::until_ok(SETTLE, || {
        let text = cluster.quiet(Place::Node(db.node), "grep -rls canary-7f3a91 /run/netctl; true")?;
        lacks_any(&text)
    });
    report.check("the file goes with the service", gone);
    for line in ["netctl secret rm password", "netctl config rm settings"] {
        report.check(line, silent(wait::until_ok(SETTLE, || cluster.quiet(at(N1), line))));
    }
    Ok(())
}

fn hidden(cluster: &Cluster) -> Result<String> {
    let text = cluster.typed(at(N1), "netctl secret inspect password")?;
    lacks(&text)
}

fn lacks(text: &str) -> Result<String> {
    // The value itself, and as base64 of the whole line has it.
    match ["canary-7f3a91", "Y2FuYXJ5"].iter().find(|word| text.contains(**word)) {
        None => Ok(String::new()),
        Some(word) => bail!("it has {word}"),
    }
}

fn lacks_any(text: &str) -> Result<String> {
    match text.trim() {
        "" => Ok(String::new()),
        files => bail!("{files}"),
    }
}

fn reads(cluster: &Cluster, line: &str, word: &str) -> Result<String> {
    let text = cluster.inside(&cluster.container("db")?, line)?;
    match text.contains(word) {
        true => Ok(String::new()),
        false => bail!("{text}"),
    }
}
