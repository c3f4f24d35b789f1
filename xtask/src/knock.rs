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
/// An answer after this is one to a retransmission, the first of which goes out after 1 s (RFC 6298): a packet was lost.
/// Far above what a connection takes, even on a machine that is busy with other things.
const PROMPT: Duration = Duration::from_millis(900);
/// Long enough for a second retransmission, to tell a lost packet from a server that is gone.
const PATIENCE: Duration = Duration::from_millis(3500);

/// A knock without a prompt answer.
struct Unanswered {
    at: SystemTime,
    /// The port that it came from and how long its answer took after all; none: no answer.
    late: Option<(u16, Duration)>,
}

/// Knocks for `seconds`; prints `tried`, `unanswered`, and if there are such `first_unanswered_ms` and
/// `last_unanswered_ms` since the epoch, and `late` for those that were answered after all.
///
/// # Errors
/// The clock is before the epoch.
pub fn run(server: SocketAddrV4, seconds: u64) -> Result<()> {
    let start = Instant::now();
    let (sender, outcomes) = channel();
    while start.elapsed() < Duration::from_secs(seconds) {
        let sender = sender.clone();
        // The receiver outlives all knocks.
        std::thread::spawn(move || drop(sender.send(knock(server))));
        std::thread::sleep(PERIOD);
    }
    drop(sender);
    let outcomes: Vec<Option<Unanswered>> = outcomes.iter().collect();
    let mut unanswered: Vec<&Unanswered> = outcomes.iter().flatten().collect();
    unanswered.sort_by_key(|knock| knock.at);
    println!("tried {}\nunanswered {}", outcomes.len(), unanswered.len());
    for (name, knock) in [("first", unanswered.first()), ("last", unanswered.last())] {
        if let Some(knock) = knock {
            println!("{name}_unanswered_ms {}", since_epoch(knock.at)?);
        }
    }
    for (at, (port, took)) in unanswered.iter().filter_map(|knock| Some((knock.at, knock.late?))) {
        println!("late at {} from {port} after {} ms", since_epoch(at)?, took.as_millis());
    }
    Ok(())
}

/// One connection, closed at once; none if it was answered promptly.
fn knock(server: SocketAddrV4) -> Option<Unanswered> {
    let (at, start) = (SystemTime::now(), Instant::now());
    let outcome = TcpStream::connect_timeout(&SocketAddr::V4(server), PATIENCE);
    let took = start.elapsed();
    // Whoever refuses lives: a task whose process does not listen yet.
    let silent = outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::TimedOut);
    let port = || Some(outcome.ok()?.local_addr().ok()?.port());
    (silent || took > PROMPT).then(|| Unanswered {
        at,
        late: port().map(|port| (port, took)),
    })
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
