//! Steady short connections to one server, to see until when some lead nowhere.
//!
//! Run by the demo and the bench in the client's namespace as a hidden
//! subcommand. Each connection has a port of its own, so that all backends of a
//! published port get their share.

use crate::demo::cluster::figure;
use anyhow::{Context, Result, bail};
use std::io::ErrorKind;
use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant, SystemTime};

const PERIOD: Duration = Duration::from_millis(20);
/// Far above what a connection takes, far below a retransmission.
const PATIENCE: Duration = Duration::from_millis(400);

/// Knocks for `seconds`; prints `tried`, `unanswered`, and if there are such `first_unanswered_ms` and
/// `last_unanswered_ms` since the epoch.
///
/// # Errors
/// The clock is before the epoch.
pub fn run(server: SocketAddrV4, seconds: u64) -> Result<()> {
    let start = Instant::now();
    let (sender, outcomes) = channel();
    while start.elapsed() < Duration::from_secs(seconds) {
        let sender = sender.clone();
        std::thread::spawn(move || {
            let at = SystemTime::now();
            let outcome = TcpStream::connect_timeout(&SocketAddr::V4(server), PATIENCE);
            // Whoever refuses lives: a task whose process does not listen yet.
            let silent = outcome.is_err_and(|error| error.kind() == ErrorKind::TimedOut);
            // The receiver outlives all knocks.
            let _ = sender.send(silent.then_some(at));
        });
        std::thread::sleep(PERIOD);
    }
    drop(sender);
    let outcomes: Vec<Option<SystemTime>> = outcomes.iter().collect();
    let unanswered: Vec<SystemTime> = outcomes.iter().copied().flatten().collect();
    println!("tried {}\nunanswered {}", outcomes.len(), unanswered.len());
    for (name, at) in [("first", unanswered.iter().min()), ("last", unanswered.iter().max())] {
        if let Some(at) = at {
            println!("{name}_unanswered_ms {}", since_epoch(*at)?);
        }
    }
    Ok(())
}

/// Milliseconds from `fault` to the last knock that was not answered, out of what [`run`] printed; none if all were.
///
/// # Errors
/// It printed no figures, or none was unanswered after the fault.
pub fn last_unanswered(printed: &str, fault: SystemTime) -> Result<Option<u64>> {
    figure(printed, "tried").with_context(|| format!("no figures: {printed}"))?;
    let Some(last) = figure(printed, "last_unanswered_ms") else {
        return Ok(None);
    };
    match last.checked_sub(since_epoch(fault)?) {
        Some(after) => Ok(Some(after)),
        None => bail!("answers were missing only before the fault: {printed}"),
    }
}

fn since_epoch(time: SystemTime) -> Result<u64> {
    Ok(u64::try_from(time.duration_since(SystemTime::UNIX_EPOCH)?.as_millis())?)
}
