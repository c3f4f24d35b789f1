//! The lab's record: what `lab up` made, for the commands that come later.
//!
//! Written by `up`, and when a node boots again. `down` does not need it.

use super::layout::{self, Node};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// Version of the record's format.
const FORMAT: u32 = 1;

/// How a node's engine is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flavour {
    /// No bridge, no iptables: only what netctl needs.
    Bare,
    /// The engine's defaults, bridge and iptables on, as on somebody's host.
    HostLike,
}

/// What the lab consists of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    format: u32,
    /// Process that holds each node's namespaces, first node first.
    pub holders: Vec<u32>,
    /// The nodes' flavour.
    pub flavour: Flavour,
}

impl Record {
    /// A record without nodes yet.
    pub fn new(flavour: Flavour) -> Self {
        Self {
            format: FORMAT,
            holders: Vec::new(),
            flavour,
        }
    }

    /// Number of nodes.
    pub fn count(&self) -> u8 {
        u8::try_from(self.holders.len()).unwrap_or(layout::MAX_NODES)
    }

    /// The holder of `node`.
    ///
    /// # Errors
    /// The lab has no such node.
    pub fn holder(&self, node: Node) -> Result<u32> {
        let found = self.holders.get(usize::from(node.0) - 1).copied();
        found.with_context(|| {
            format!(
                "no node {} in the lab: it has {} (n1 ...)",
                node.name(),
                self.holders.len()
            )
        })
    }

    /// The node has other namespaces now.
    ///
    /// # Errors
    /// The lab has no such node.
    pub fn replace_holder(&mut self, node: Node, holder: u32) -> Result<()> {
        self.holder(node)?;
        self.holders[usize::from(node.0) - 1] = holder;
        Ok(())
    }

    /// Writes the record.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self) -> Result<()> {
        std::fs::create_dir_all(layout::disks())?;
        std::fs::write(layout::record(), serde_json::to_vec_pretty(self)?).context("writing the lab's record")
    }

    /// Reads the record of the lab that is up.
    ///
    /// # Errors
    /// No lab is up, or another version of xtask made it.
    pub fn load() -> Result<Self> {
        let text = std::fs::read(layout::record()).context("no lab is up: cargo xtask lab up --nodes 3")?;
        let record: Self =
            serde_json::from_slice(&text).context("the lab's record is damaged: cargo xtask lab down")?;
        if record.format != FORMAT {
            bail!("the lab was made by another version: cargo xtask lab down");
        }
        Ok(record)
    }
}
