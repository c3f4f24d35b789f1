//! Ctrl-C and SIGTERM while a lab is up: the lab goes with the command that
//! made it.

use crate::lab;
use anyhow::Result;
use nix::sys::signal::{SigSet, Signal};

/// Exit code of a command that was interrupted, as shells have it.
const INTERRUPTED: i32 = 130;

/// From now on, an interrupt takes the lab down before it ends this process.
/// To be called before any thread is started: the signals are blocked for all
/// of them. Programs started later get a clean mask from std.
///
/// # Errors
/// The signals cannot be blocked.
pub fn take_lab_down() -> Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    std::thread::spawn(move || {
        if signals.wait().is_ok() {
            eprintln!("\nxtask: interrupted, taking the lab down");
            if let Err(error) = lab::down() {
                eprintln!("xtask: {error:#}");
            }
            std::process::exit(INTERRUPTED);
        }
    });
    Ok(())
}
