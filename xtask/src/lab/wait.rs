//! Waiting with a deadline: the only place of xtask that polls.

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_millis(100);

/// Polls `condition` until it holds.
///
/// # Errors
/// It does not hold at the deadline.
pub fn until(deadline: Duration, mut condition: impl FnMut() -> bool) -> Result<()> {
    until_ok(deadline, || if condition() { Ok(()) } else { bail!("not yet") })
}

/// Polls `attempt` until it succeeds; returns its value.
///
/// # Errors
/// The last attempt's error at the deadline.
pub fn until_ok<T>(deadline: Duration, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if start.elapsed() > deadline => {
                return Err(error.context(format!("not within {} s", deadline.as_secs())));
            }
            Err(_) => std::thread::sleep(PERIOD),
        }
    }
}
