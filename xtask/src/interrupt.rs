//! Ctrl-C and SIGTERM while a lab is up: the lab goes with the command that
//! made it.

use crate::lab;
use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Exit code of a command that was interrupted, as shells have it.
const INTERRUPTED: i32 = 130;

/// From now on, an interrupt takes the lab down before it ends this process.
///
/// The signals are handled, not blocked: a blocked signal stays blocked in all
/// programs started later, so that no daemon of the lab could be ended.
///
/// # Errors
/// The signals cannot be handled.
pub fn take_lab_down() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("handling signals")?;
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            eprintln!("\nxtask: interrupted, taking the lab down");
            if let Err(error) = lab::down() {
                eprintln!("xtask: {error:#}");
            }
            std::process::exit(INTERRUPTED);
        }
    });
    Ok(())
}
