//! The clock that a node's daemon goes by, off or right: libfaketime, preloaded. The node's engine and everybody's
//! timers go on as they are.
//!
//! The program `faketime` is not used: it stays as the daemon's parent, and its clock cannot be set afterwards.

use super::layout::Node;
use super::netd;
use super::place::Place;
use super::state::Record;
use crate::process::output;
use anyhow::Result;

/// Where a node keeps what its clock is off by. Read at every look at the clock.
const FILE: &str = "/run/clock";

/// What a daemon is started by. `$LIB` is the loader's word.
const CLOCK: &[&str] = &[
    "env",
    "LD_PRELOAD=/usr/$LIB/faketime/libfaketimeMT.so.1",
    "FAKETIME_TIMESTAMP_FILE=/run/clock",
    "FAKETIME_NO_CACHE=1",
    "FAKETIME_DONT_FAKE_MONOTONIC=1",
    "NO_FAKE_STAT=1",
];

/// Starts the daemon by a clock that is off, as `+1h` or `-1h`, and that can be [`set`]; returns when its socket answers.
///
/// # Errors
/// As [`netd::start`].
pub fn start(record: &Record, node: Node, off: &str) -> Result<()> {
    set(record, node, off)?;
    netd::start_under(record, node, CLOCK)
}

/// Sets the clock of a daemon that was started by [`start`]: it jumps.
///
/// # Errors
/// The node's file cannot be written.
pub fn set(record: &Record, node: Node, off: &str) -> Result<()> {
    // In one step: an empty file would be another clock.
    let line = format!("echo {off} > {FILE}.new && mv {FILE}.new {FILE}");
    output(&mut Place::Node(node).command(record, &["sh", "-c", &line])?).map(|_| ())
}
