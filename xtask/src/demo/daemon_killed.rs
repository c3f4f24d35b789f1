//! Step 6: every node's daemon is killed with SIGKILL in turn and started
//! again, under numbered traffic which must lose nothing.

use super::cluster::{Cluster, figure};
use super::published::one_port;
use super::report::Report;
use crate::lab::images::{self, TOOLS};
use crate::lab::layout::Node;
use crate::lab::place::Place;
use crate::lab::{netd, wait};
use crate::process::said;
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout};
use std::time::{Duration, Instant};

const N1: Place = Place::Node(Node(1));
const TRAFFIC: Duration = Duration::from_secs(20);
const ECHO_PORT: u16 = 9_000;
const RATE: u32 = 1_000;
const READY: Duration = Duration::from_secs(20);

/// Numbered traffic of the probe.
struct Stream {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Stream {
    fn begin(cluster: &Cluster, place: Place, line: &str) -> Result<Self> {
        let mut child = cluster.background(place, line)?;
        let output = child.stdout.take().context("the probe has an output")?;
        Ok(Self {
            child,
            output: BufReader::new(output),
        })
    }

    /// Waits until it has found its server: the name is looked up once, by the daemon that is about to be killed.
    fn started(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        match line.trim() {
            "started" => Ok(String::new()),
            other => bail!("it said {other:?}"),
        }
    }

    /// What it said at its end. One that lost something ends with an error code, and says how much all the same.
    fn figures(mut self) -> Result<String> {
        let mut text = String::new();
        self.output.read_to_string(&mut text)?;
        let output = self.child.wait_with_output()?;
        if figure(&text, "lost").is_none() {
            bail!("{} {}", said(&output), text.replace('\n', " "));
        }
        Ok(text)
    }
}

/// Kills and restarts under traffic.
///
/// # Errors
/// The echo service does not come up.
pub fn run(cluster: &Cluster, report: &mut Report) -> Result<()> {
    let create = format!(
        "netctl service create --name echo --network iotd-net --constraint node.hostname==n2 \
         --publish 9000:9000 --publish 9000:9000/udp {TOOLS} probe echo 9000"
    );
    report.require("service create echo", cluster.typed(N1, &create).map(|_| String::new()))?;
    report.require("echo runs", cluster.await_replicas("echo", 1))?;
    let streams = streams(cluster)?;
    for (name, place, line) in &streams {
        // One second of each first: the claim is about the kill, not about the start.
        let short = line.replace("SECONDS", "1");
        report.require(
            &format!("{name} flows"),
            wait::until_ok(READY, || cluster.quiet(*place, &short)).map(|_| String::new()),
        )?;
    }
    let one_socket = wait::until_ok(READY, || one_port(cluster, "udp", ECHO_PORT));
    report.check("one UDP socket of the client talks to all nodes", one_socket);
    let running = streams.iter().map(|(name, place, line)| {
        let line = line.replace("SECONDS", &TRAFFIC.as_secs().to_string());
        Ok((name.as_str(), Stream::begin(cluster, *place, &line)?))
    });
    let mut running: Vec<(&str, Stream)> = running.collect::<Result<_>>()?;
    let start = Instant::now();
    for (name, stream) in &mut running {
        report.require(&format!("{name} has started"), stream.started())?;
    }
    for node in [Node(2), Node(3), Node(1)] {
        report.check(
            &format!("SIGKILL of netd on {}, and its start", node.name()),
            kill_and_start(cluster, node),
        );
    }
    let in_time = if start.elapsed() < TRAFFIC {
        Ok(String::new())
    } else {
        bail!("the traffic ended before the restarts")
    };
    report.check("all of it under traffic", in_time);
    let ended: Vec<(&str, Result<String>)> = running
        .into_iter()
        .map(|(name, stream)| (name, stream.figures()))
        .collect();
    let mut at_server = full_buffers(cluster);
    for (name, figures) in ended {
        let claim = figures.and_then(|figures| nothing_lost(&figures, &mut at_server));
        report.check(&format!("{name} loses nothing"), claim);
    }
    Ok(())
}

/// Name, place and command line of each stream; `SECONDS` stands for its length.
fn streams(cluster: &Cluster) -> Result<Vec<(String, Place, String)>> {
    let tools = cluster.container("tools")?;
    let inside = format!("docker exec {} probe", tools.id);
    let outside = images::probe().display().to_string();
    let ingress = Node(1).address();
    let (n3, client) = (Place::Node(tools.node), Place::Client);
    Ok(vec![
        (
            "UDP, task to task".to_owned(),
            n3,
            format!("{inside} udp echo 9000 {RATE} SECONDS"),
        ),
        (
            "TCP, task to task".to_owned(),
            n3,
            format!("{inside} tcp echo 9000 SECONDS"),
        ),
        (
            "UDP, client to published port".to_owned(),
            client,
            format!("{outside} udp {ingress} 9000 {RATE} SECONDS"),
        ),
        (
            "TCP, client to published port".to_owned(),
            client,
            format!("{outside} tcp {ingress} 9000 SECONDS"),
        ),
    ])
}

fn kill_and_start(cluster: &Cluster, node: Node) -> Result<String> {
    netd::end(node, Signal::SIGKILL)?;
    let start = Instant::now();
    netd::start(&cluster.record, node)?;
    Ok(format!("answers again after {} ms", start.elapsed().as_millis()))
}

/// Datagrams that reached the echo server's socket and found its buffer full, because the machine gave the server no
/// time: the network has delivered them. 0 if nobody can say.
fn full_buffers(cluster: &Cluster) -> u64 {
    let counters = cluster
        .container("echo")
        .and_then(|echo| cluster.inside(&echo, "cat /proc/net/snmp"));
    let text = counters.unwrap_or_default();
    let rows: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("Udp: ")).collect();
    let names = rows.first().into_iter().flat_map(|row| row.split(' '));
    let values = rows.get(1).into_iter().flat_map(|row| row.split(' '));
    let found = names.zip(values).find(|(name, _)| *name == "RcvbufErrors");
    found.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
}

/// What a stream lost must have been lost at the server's socket; `at_server` counts down what is left of those.
fn nothing_lost(figures: &str, at_server: &mut u64) -> Result<String> {
    let lost = figure(figures, "lost").with_context(|| format!("no figures: {figures}"))?;
    let Some(rest) = at_server.checked_sub(lost) else {
        bail!("{figures}, of which {at_server} found the echo server's buffer full");
    };
    *at_server = rest;
    let said = figures.lines().take(2).collect::<Vec<_>>().join(", ");
    Ok(match lost {
        0 => said,
        _ => format!("{said}; {lost} found the echo server's buffer full"),
    })
}
