//! A node without power: its processes end without a word, and what its kernel
//! knew is gone with its namespaces. The disk stays.

use crate::lab::layout::Node;
use crate::lab::state::Record;
use crate::lab::{cgroup, engine, netd, underlay};
use anyhow::{Context, Result};

/// Ends all that runs on the node, its links first, so that nothing it does in dying is seen.
///
/// # Errors
/// A process outlives SIGKILL, or a link or namespace does not go.
pub fn cut(node: Node) -> Result<()> {
    underlay::remove_node(node).with_context(|| format!("cutting the wire of {}", node.name()))?;
    cgroup::remove(&node.namespace())?;
    netd::forget(node)
}

/// Boots the node: fresh namespaces, the old disk, an engine that answers; no daemon yet.
///
/// # Errors
/// The node has power, or a step fails.
pub fn restore(record: &mut Record, node: Node) -> Result<()> {
    underlay::add_node(node)?;
    let holder = engine::start_holder(node)?;
    record.replace_holder(node, holder)?;
    record.save()?;
    engine::start_engine(record, node)?;
    engine::await_engine(record, node)
}
