//! `node ls`, read: who is there, who leads.

use super::cluster::Cluster;
use crate::lab::layout::Node;
use crate::lab::place::Place;
use anyhow::{Context, Result, bail};

/// A node as `node ls` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Host name.
    pub name: String,
    /// `Ready`, `Down`, `Unknown`.
    pub status: String,
    /// `Active`, `Pause`, `Drain`.
    pub availability: String,
    /// `Leader`, `Reachable`, `Unreachable`; empty for workers.
    pub manager: String,
}

/// All rows, asked on `node`.
///
/// # Errors
/// `node ls` is refused.
pub fn rows(cluster: &Cluster, node: Node) -> Result<Vec<Row>> {
    let line = "netctl node ls --format '{{.Hostname}}|{{.Status}}|{{.Availability}}|{{.ManagerStatus}}'";
    let text = cluster.quiet(Place::Node(node), line)?;
    let row = |line: &str| -> Result<Row> {
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        let [name, status, availability, manager] = fields.as_slice() else {
            bail!("node ls prints {line:?}");
        };
        let [name, status, availability, manager] = [name, status, availability, manager].map(|field| (*field).into());
        Ok(Row {
            name,
            status,
            availability,
            manager,
        })
    };
    text.lines().map(row).collect()
}

/// The row of `node`, asked on `on`.
///
/// # Errors
/// It is not shown.
pub fn row(cluster: &Cluster, on: Node, node: Node) -> Result<Row> {
    let rows = rows(cluster, on)?.into_iter();
    let mut own = rows.filter(|row| row.name == node.name());
    own.next()
        .with_context(|| format!("node ls on {} does not show {}", on.name(), node.name()))
}

/// Succeeds when `on` shows `node` with the status.
///
/// # Errors
/// Shows the row.
pub fn has_status(cluster: &Cluster, on: Node, node: Node, status: &str) -> Result<String> {
    let row = row(cluster, on, node)?;
    match row.status == status {
        true => Ok(format!("{} {}", row.name, row.status)),
        false => bail!("{row:?}"),
    }
}

/// The leader, as any of the given nodes knows it.
///
/// # Errors
/// None of them knows one.
pub fn leader(cluster: &Cluster, asked: &[Node]) -> Result<Node> {
    let mut said = String::new();
    for node in asked {
        match rows(cluster, *node) {
            Ok(rows) => {
                let found = rows.iter().find(|row| row.manager == "Leader");
                if let Some(leader) = found.and_then(|row| Node::named(&row.name)) {
                    return Ok(leader);
                }
                said = format!("{rows:?}");
            }
            Err(error) => said = format!("{error:#}"),
        }
    }
    bail!("no leader: {said}")
}
