//! `swarm backup`, the end of all managers, `swarm restore`.

use super::{N1, N3, N4, at, replicas_on, silent};
use crate::demo::cluster::{Cluster, SETTLE};
use crate::demo::report::Report;
use crate::demo::roster;
use crate::lab::wait;
use crate::repo;
use anyhow::{Result, bail};

/// A key of the right form, of no swarm.
const OTHER_KEY: &str = "SWMKEY-1-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Backs up, destroys, restores; n1, a worker by now, keeps its certificate and finds the swarm again.
///
/// # Errors
/// The swarm does not come back.
pub fn run(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let file = repo::lab_logs().join("swarm.backup").display().to_string();
    let before = cluster.quiet(at(N3), "netctl swarm join-token -q worker")?;
    let clear = cluster.typed(at(N3), &format!("netctl swarm backup {file}"));
    report.check(
        "a backup in clear says so",
        clear.and_then(|text| says(&text, "in clear")),
    );
    report.require(
        "autolock",
        silent(cluster.quiet(at(N3), "netctl swarm update --autolock")),
    )?;
    let key = cluster.quiet(at(N3), "netctl swarm unlock-key -q")?.trim().to_owned();
    let sealed = cluster.typed(at(N3), &format!("netctl swarm backup {file}"));
    report.require(
        "a backup under autolock is sealed",
        sealed.and_then(|text| says(&text, "sealed")),
    )?;
    report.check("it is its owner's only", mode(cluster, &file));
    report.check(
        "a node of a swarm restores nothing",
        cluster.refused(
            at(N3),
            &format!("netctl swarm restore {file}"),
            "already part of a swarm",
        ),
    );
    println!("   the manager and a worker are destroyed");
    for node in [N4, N3] {
        silent(cluster.typed(at(node), "netctl swarm leave --force"))?;
    }
    refusals(cluster, report, &file, &key)?;
    let advertise = format!("--advertise-addr {}", N3.address());
    let restore = format!("echo {key} | netctl swarm restore {file} {advertise}");
    report.require("the backup is restored on n3", silent(cluster.typed(at(N3), &restore)))?;
    let back = wait::until_ok(SETTLE, || replicas_on(cluster, &[N3], 4));
    report.check("the service runs again", back);
    report.check(
        "port 80 of n3 answers",
        wait::until_ok(SETTLE, || cluster.port_answers(N3)),
    );
    let found = wait::until_ok(SETTLE, || roster::has_status(cluster, N3, N1, "Ready"));
    report.check("n1 has found the swarm again by itself", found);
    let after = cluster.quiet(at(N3), "netctl swarm join-token -q worker")?;
    let line = format!("netctl swarm join --token {} {}", before.trim(), N3.address());
    report.check("the tokens are the same", same(&before, &after));
    report.check("n4 joins with the old one", silent(cluster.typed(at(N4), &line)));
    Ok(())
}

fn says(text: &str, word: &str) -> Result<String> {
    match text.contains(word) {
        true => Ok(text.lines().next().unwrap_or_default().to_owned()),
        false => bail!("it printed: {text}"),
    }
}

fn same(before: &str, after: &str) -> Result<String> {
    match before == after {
        true => Ok(String::new()),
        false => bail!("another one"),
    }
}

fn mode(cluster: &Cluster, file: &str) -> Result<String> {
    let mode = cluster.quiet(at(N3), &format!("stat -c %a {file}"))?;
    match mode.trim() {
        "600" => Ok("mode 0600".to_owned()),
        other => bail!("mode {other}"),
    }
}

/// Bad copies, a wrong key, a folder with the state of another swarm: refused, and nothing is made.
fn refusals(cluster: &Cluster, report: &mut Report, file: &str, key: &str) -> Result<()> {
    let made = format!(
        "head -c 1000 {file} > {file}.cut; sed '2s/\"format\":1/\"format\":7/' {file} > {file}.later; \
         (head -c 1000 {file}; echo; tail -c +1001 {file}) > {file}.changed"
    );
    cluster.quiet(at(N4), &made)?;
    let restore = |key: &str, end: &str| format!("echo {key} | netctl swarm restore {file}{end}");
    for (what, line, wanted) in [
        ("a backup that is cut short", restore(key, ".cut"), "cut short"),
        ("one of another format", restore(key, ".later"), "format 7"),
        ("one that was changed", restore(key, ".changed"), "checksum"),
        (
            "a wrong unlock key",
            restore(OTHER_KEY, ""),
            "invalid key could not be used",
        ),
        ("no key", restore("''", ""), "sealed"),
    ] {
        report.check(&format!("{what} is refused"), cluster.refused(at(N4), &line, wanted));
    }
    let inactive = cluster.quiet(at(N4), "netctl info");
    report.check(
        "and n4 is in no swarm",
        inactive.and_then(|text| says(&text, "inactive")),
    );
    folder_of_another(cluster, report, &restore(key, ""))
}

/// What lies in the data folder may be the only copy of a swarm's state.
fn folder_of_another(cluster: &Cluster, report: &mut Report, restore: &str) -> Result<()> {
    let log = "/var/lib/netctl/raft/raft.redb";
    cluster.quiet(
        at(N4),
        &format!("mkdir -p /var/lib/netctl/raft && echo precious > {log}"),
    )?;
    report.check(
        "over the state of another swarm nothing is restored",
        cluster.refused_naming(at(N4), restore, &["/var/lib/netctl", "raft", "node.json", "mv "]),
    );
    let kept = cluster.quiet(at(N4), &format!("cat {log} && rm -r /var/lib/netctl/raft"));
    report.check("which is left as it is", kept.and_then(|text| says(&text, "precious")));
    Ok(())
}
