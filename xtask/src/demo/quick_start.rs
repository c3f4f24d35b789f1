//! The README's quick start on one host whose engine runs with its defaults,
//! beside containers and listeners of its own, none of which may be disturbed,
//! behind a firewall that takes in no more than the README asks for.

use super::cluster::{Cluster, SETTLE};
use super::names::resolves;
use super::report::Report;
use super::traces;
use crate::lab::images::{TOOLS, WEB};
use crate::lab::layout::Node;
use crate::lab::place::Place;
use crate::lab::{netd, wait};
use anyhow::{Result, bail};
use std::process::Child;

const HOST: Place = Place::Node(Node(1));
/// Published by the host's own container.
const OWN_CONTAINER_PORT: u16 = 9_090;
/// Held by a process of the host.
const OWN_LISTENER_PORT: u16 = 9_191;

/// Runs the quick start.
///
/// # Errors
/// There is nothing to go on with.
pub fn run(cluster: &Cluster, report: &mut Report) -> Result<()> {
    report.step(1, "a host with a life of its own");
    let closed = cluster.quiet(HOST, &firewall()).map(|_| String::new());
    report.require("a firewall that takes in nothing but these ports and answers", closed)?;
    let mut listener = own_life(cluster, report)?;
    let outcome = start(cluster, report);
    listener.kill()?;
    listener.wait()?;
    outcome
}

fn start(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let before = rules(cluster)?;
    report.step(2, "quick start");
    netd::start(&cluster.record, Node(1))?;
    for line in [
        "netctl swarm init".to_owned(),
        "netctl network create iotd-net".to_owned(),
        format!(
            "netctl service create --name web --replicas 2 --network iotd-net --publish 8080:80 {TOOLS} probe whoami 80"
        ),
    ] {
        report.require(&line, cluster.typed(HOST, &line).map(|_| String::new()))?;
    }
    report.require("web runs", cluster.await_replicas("web", 2))?;
    report.check(
        "curl localhost:8080",
        wait::until_ok(SETTLE, || answers(cluster, HOST, "localhost:8080")),
    );
    let outside = format!("{}:8080", Node(1).address());
    report.check(
        "the page from outside",
        wait::until_ok(SETTLE, || answers(cluster, Place::Client, &outside)),
    );
    let task = cluster.container("web")?;
    let found = wait::until_ok(SETTLE, || resolves(cluster, &task, "web", 1));
    report.check("a container finds web by its name, firewall or not", found);
    report.step(3, "nothing of the host is disturbed");
    own_services(cluster, report);
    taken_ports(cluster, report);
    report.check(
        "the engine's rules are as they were",
        rules(cluster).and_then(|now| same(&before, &now)),
    );
    report.step(4, "swarm leave --force leaves nothing");
    leave(cluster, report, &before)
}

/// As people have it who deny what they do not know.
fn firewall() -> String {
    format!(
        "iptables -A INPUT -i lo -j ACCEPT && iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT && \
         iptables -A INPUT -p tcp -m multiport --dports 2377,{OWN_LISTENER_PORT} -j ACCEPT && \
         iptables -A INPUT -p udp --dport 4789 -j ACCEPT && iptables -P INPUT DROP"
    )
}

/// A container that the host publishes itself, and a listener.
fn own_life(cluster: &Cluster, report: &mut Report) -> Result<Child> {
    let own = format!("docker run -d --name own -p {OWN_CONTAINER_PORT}:80 {TOOLS} probe whoami 80");
    report.require(
        "a container of the host, published by its engine",
        cluster.typed(HOST, &own).map(|_| String::new()),
    )?;
    let probe = crate::lab::images::probe().display().to_string();
    let listener = cluster.background(HOST, &format!("{probe} whoami {OWN_LISTENER_PORT}"))?;
    own_services(cluster, report);
    Ok(listener)
}

fn own_services(cluster: &Cluster, report: &mut Report) {
    for port in [OWN_CONTAINER_PORT, OWN_LISTENER_PORT] {
        let target = format!("{}:{port}", Node(1).address());
        let outcome = wait::until_ok(SETTLE, || answers(cluster, Place::Client, &target));
        report.check(&format!("the host's own port {port} answers the outside"), outcome);
        let outcome = wait::until_ok(SETTLE, || answers(cluster, HOST, &format!("localhost:{port}")));
        report.check(&format!("and the host itself on localhost:{port}"), outcome);
    }
}

/// A port that somebody holds stays theirs; the cluster's own are refused.
fn taken_ports(cluster: &Cluster, report: &mut Report) {
    let create = format!("netctl service create --name thief --publish {OWN_LISTENER_PORT}:80 {WEB}");
    // Reported, not refused: on another node the port may be free.
    let said = cluster
        .typed(HOST, &create)
        .map(|words| words.trim().replace('\n', " "));
    report.check("publishing a port that the host holds", said);
    let held = format!("{}:{OWN_LISTENER_PORT}", Node(1).address());
    report.check("it stays with the host", answers(cluster, Place::Client, &held));
    for port in ["2377:80", "4789:80/udp"] {
        let line = format!("netctl service create --name own-port --publish {port} {WEB}");
        report.check(
            &format!("publishing {port} is refused"),
            cluster.refused(HOST, &line, &port[..4]),
        );
    }
}

fn leave(cluster: &Cluster, report: &mut Report, before: &str) -> Result<()> {
    report.check(
        "the last manager does not leave by mistake",
        cluster.refused(HOST, "netctl swarm leave", "--force"),
    );
    report.check(
        "swarm leave --force",
        cluster.typed(HOST, "netctl swarm leave --force").map(|_| String::new()),
    );
    for (what, line) in traces::OF_A_NODE {
        let outcome = wait::until_ok(SETTLE, || traces::none(cluster, HOST, line));
        report.check(&format!("no {what}"), outcome);
    }
    report.check("info says inactive", traces::inactive(cluster, HOST));
    report.check(
        "the engine's rules are as they were",
        rules(cluster).and_then(|now| same(before, &now)),
    );
    own_services(cluster, report);
    Ok(())
}

fn answers(cluster: &Cluster, from: Place, target: &str) -> Result<String> {
    let text = cluster.quiet(from, &format!("curl -sS -m 3 -f http://{target}/"))?;
    Ok(text.trim().replace('\n', ", "))
}

fn rules(cluster: &Cluster) -> Result<String> {
    cluster.quiet(HOST, "iptables-save | grep -v '^[#:]'")
}

fn same(before: &str, now: &str) -> Result<String> {
    if before == now {
        Ok(String::new())
    } else {
        bail!("before:\n{before}\nnow:\n{now}")
    }
}
