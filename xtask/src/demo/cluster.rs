//! The demo's hands: what a user would type on a node, and what a user would
//! look at. Holds no state but the lab's record: everything is asked anew.

use crate::lab::layout::Node;
use crate::lab::place::Place;
use crate::lab::state::Record;
use crate::lab::wait;
use crate::process::{capture, said};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::process::{Child, Stdio};
use std::time::Duration;

/// How long a change may take to be seen everywhere.
pub const SETTLE: Duration = Duration::from_secs(60);

/// The lab's cluster.
pub struct Cluster {
    /// The lab it runs in.
    pub record: Record,
}

/// A container and the node it runs on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Container {
    /// The node.
    pub node: Node,
    /// The engine's short id.
    pub id: String,
}

impl Cluster {
    /// All nodes.
    pub fn nodes(&self) -> impl Iterator<Item = Node> + use<> {
        Node::first(self.record.count())
    }

    /// Prints and runs a command line; returns what it prints.
    ///
    /// # Errors
    /// Another exit code than 0, with the command's words.
    pub fn typed(&self, place: Place, line: &str) -> Result<String> {
        println!("   {}# {line}", prompt(place));
        self.quiet(place, line)
    }

    /// Runs a command line in silence; returns what it prints.
    ///
    /// # Errors
    /// Another exit code than 0, with the command's words.
    pub fn quiet(&self, place: Place, line: &str) -> Result<String> {
        let output = capture(&mut place.command(&self.record, &["sh", "-c", line])?)?;
        if !output.status.success() {
            bail!("{}# {line}: {}", prompt(place), said(&output));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Prints and runs a command line that must be refused in words that name
    /// `what`; returns the refusal.
    ///
    /// # Errors
    /// It is not refused, or for another reason.
    pub fn refused(&self, place: Place, line: &str, what: &str) -> Result<String> {
        self.refused_naming(place, line, &[what])
    }

    /// As [`Self::refused`], in words that name all of `wanted`: the thing, and the way out.
    ///
    /// # Errors
    /// As [`Self::refused`]; also when the program crashes instead of refusing.
    pub fn refused_naming(&self, place: Place, line: &str, wanted: &[&str]) -> Result<String> {
        println!("   {}# {line}", prompt(place));
        let output = capture(&mut place.command(&self.record, &["sh", "-c", line])?)?;
        let words = said(&output);
        if output.status.success() {
            bail!("was accepted");
        }
        if words.contains("panicked") {
            bail!("crashed: {words}");
        }
        let lower = words.to_lowercase();
        match wanted.iter().find(|word| !lower.contains(&word.to_lowercase())) {
            None => Ok(words.lines().next().unwrap_or_default().to_owned()),
            Some(word) => bail!("the refusal does not name {word:?}: {words}"),
        }
    }

    /// Starts a command line in the background; its output is read at the end.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn background(&self, place: Place, line: &str) -> Result<Child> {
        let mut command = place.command(&self.record, &["sh", "-c", &format!("exec {line}")])?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().with_context(|| format!("starting {line}"))
    }

    /// The running containers of a service on all nodes.
    ///
    /// # Errors
    /// An engine does not answer.
    pub fn containers(&self, service: &str) -> Result<BTreeSet<Container>> {
        self.containers_on(service, &self.nodes().collect::<Vec<_>>())
    }

    /// As [`Self::containers`], on the given nodes only.
    ///
    /// # Errors
    /// An engine does not answer.
    pub fn containers_on(&self, service: &str, nodes: &[Node]) -> Result<BTreeSet<Container>> {
        let mut found = BTreeSet::new();
        for node in nodes {
            let line = format!("docker ps -q --filter label=com.docker.swarm.service.name={service}");
            let ids = self.quiet(Place::Node(*node), &line)?;
            found.extend(ids.lines().map(|id| Container {
                node: *node,
                id: id.to_owned(),
            }));
        }
        Ok(found)
    }

    /// One running container of a service.
    ///
    /// # Errors
    /// It has none.
    pub fn container(&self, service: &str) -> Result<Container> {
        self.containers(service)?
            .into_iter()
            .next()
            .with_context(|| format!("{service} has no running container"))
    }

    /// Ten requests of the client to port 80 of a node, one after the other.
    ///
    /// # Errors
    /// One is not answered within 2 s.
    pub fn port_answers(&self, node: Node) -> Result<String> {
        let address = node.address();
        let line = format!(
            "for i in 1 2 3 4 5 6 7 8 9 10; do curl -sS -m 2 -f -o /dev/null http://{address}/ || exit 1; done"
        );
        self.quiet(Place::Client, &line).map(|_| String::new())
    }

    /// Runs a command line inside a container.
    ///
    /// # Errors
    /// Another exit code than 0.
    pub fn inside(&self, container: &Container, line: &str) -> Result<String> {
        self.quiet(
            Place::Node(container.node),
            &format!("docker exec {} {line}", container.id),
        )
    }

    /// Waits until `service ls` shows all replicas running.
    ///
    /// # Errors
    /// Not within a minute; the error shows the last `service ps`.
    pub fn await_replicas(&self, service: &str, replicas: usize) -> Result<String> {
        let wanted = format!("{replicas}/{replicas}");
        let shows = || {
            let listed = self.quiet(Place::Node(Node(1)), "netctl service ls")?;
            let row = listed
                .lines()
                .find(|row| row.split_whitespace().nth(1) == Some(service));
            let row = row.with_context(|| format!("service ls does not show {service}"))?;
            if row.split_whitespace().any(|word| word == wanted) {
                Ok(())
            } else {
                bail!("{}", row.trim())
            }
        };
        wait::until_ok(SETTLE, shows).with_context(|| {
            self.quiet(Place::Node(Node(1)), &format!("netctl service ps {service}"))
                .unwrap_or_default()
        })?;
        Ok(wanted)
    }
}

/// Ends a background command when it is still running and returns its output.
///
/// # Errors
/// It ended with another code than 0 by itself.
pub fn finish(child: Child) -> Result<String> {
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!(
            "{} {}",
            said(&output),
            String::from_utf8_lossy(&output.stdout).replace('\n', " ")
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The value of a `name value` line.
pub fn figure(text: &str, name: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// The text after `name: ` wherever a line has it (the example's page and API).
pub fn fields<'a>(text: &'a str, name: &str) -> BTreeSet<&'a str> {
    let mark = format!("{name}: ");
    let found = text.lines().filter_map(|line| Some(line.split_once(&mark)?.1));
    found.map(|rest| rest.split('<').next().unwrap_or(rest)).collect()
}

fn prompt(place: Place) -> String {
    match place {
        Place::Node(node) => node.name(),
        Place::Client => "client".to_owned(),
    }
}
