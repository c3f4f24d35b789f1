//! The lab: nodes on one machine, an underlay between them and a client
//! outside of the cluster. Touches nothing of the machine's own network.
//!
//! Called by `cargo xtask lab`, by the demo, the e2e tests and the bench. One
//! lab at a time. `down` finds everything by name (see [`layout::PREFIX`]), so
//! it also cleans up after a crash.

mod cgroup;
pub mod clock;
pub mod engine;
pub mod faults;
pub mod images;
pub mod layout;
pub mod netd;
pub mod place;
pub mod state;
mod underlay;
pub mod wait;

use crate::process::{command, exists};
use crate::setup::require_root;
use anyhow::{Context, Result, bail};
use layout::{MAX_NODES, Node};
use state::{Flavour, Record};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

static CLEANING: Mutex<()> = Mutex::new(());
const REMOVE_DEADLINE: Duration = Duration::from_secs(10);

/// Makes a lab of `count` nodes, engines running, images there; no daemon yet.
///
/// # Errors
/// Not root, a lab is up already, or a step fails; nothing stays then.
pub fn up(count: u8, flavour: Flavour) -> Result<Record> {
    require_root()?;
    if !(1..=MAX_NODES).contains(&count) {
        bail!("a lab has 1 to {MAX_NODES} nodes, not {count}");
    }
    if !exists("dockerd") {
        bail!("no dockerd on this machine: run cargo xtask setup");
    }
    if lives() {
        bail!("a lab is up already: cargo xtask lab down");
    }
    if is_up()? {
        println!("lab: a lab whose processes are gone left its remains; they are removed");
        down()?;
    }
    build(count, flavour).inspect_err(|_| {
        if let Err(error) = down() {
            eprintln!("lab: cleaning up: {error:#}");
        }
    })
}

fn build(count: u8, flavour: Flavour) -> Result<Record> {
    let archive = images::build()?;
    remove_files()?;
    underlay::create(count)?;
    let mut record = Record::new(flavour);
    for node in Node::first(count) {
        record.holders.push(engine::start_holder(node)?);
    }
    record.save()?;
    for node in Node::first(count) {
        engine::start_engine(&record, node)?;
    }
    for node in Node::first(count) {
        engine::await_engine(&record, node)?;
        images::load(&record, node, &archive)?;
    }
    Ok(record)
}

/// Ends every process of the lab and removes all that it made; the logs stay.
/// Does nothing when no lab is there.
///
/// # Errors
/// Something does not go; the message names it.
pub fn down() -> Result<()> {
    require_root()?;
    // An interrupt may come while the command itself is cleaning up.
    let _one_at_a_time = CLEANING.lock().unwrap_or_else(PoisonError::into_inner);
    cgroup::remove_all()?;
    underlay::remove()?;
    remove_disks()
}

/// True when a process of a lab runs. After a crash of the machine's session none does, though much may be left.
fn lives() -> bool {
    Node::first(MAX_NODES).any(|node| cgroup::population(&node.namespace()) > 0)
}

/// True when anything of a lab is there, half-made ones included.
///
/// # Errors
/// `ip netns` fails.
pub fn is_up() -> Result<bool> {
    Ok(layout::record().exists() || !underlay::namespaces()?.is_empty())
}

/// Prints the nodes, their addresses and what runs on them.
///
/// # Errors
/// No lab is up.
pub fn status() -> Result<()> {
    let record = Record::load()?;
    println!("{:<8}{:<14}{:<12}{:<10}LOGS", "NODE", "ADDRESS", "PROCESSES", "NETD");
    for node in Node::first(record.count()) {
        let daemon = if netd::running(node).is_some() { "running" } else { "-" };
        let processes = cgroup::population(&node.namespace());
        let address = node.address().to_string();
        println!(
            "{:<8}{address:<14}{processes:<12}{daemon:<10}{}",
            node.name(),
            node.logs().display()
        );
    }
    println!("{:<8}{:<14}", "client", layout::CLIENT_ADDRESS.to_string());
    Ok(())
}

/// Old logs would be mistaken for this lab's.
fn remove_files() -> Result<()> {
    match std::fs::remove_dir_all(crate::repo::lab_logs()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).context("removing old logs"),
        _ => Ok(()),
    }
}

fn remove_disks() -> Result<()> {
    let disks = layout::disks();
    // The last mounts of a node go with its last process, a moment after it.
    wait::until_ok(REMOVE_DEADLINE, || {
        if disks.exists() {
            crate::process::output(command("rm", &["-rf", "--one-file-system"]).arg(&disks))?;
        }
        Ok(())
    })
}
