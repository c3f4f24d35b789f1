//! The clients of the linearizability check (`tests/linearizability`): started,
//! told of faults, and asked for their verdict.
//!
//! Called by the demo's scenario, the soak and the bench. They run on the
//! machine and reach each daemon's socket through the node's file system.

use crate::binaries;
use crate::lab::layout::Node;
use crate::lab::state::Record;
use crate::process::command;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Answered operations a second before the faults; fewer prove too little about what happens under them.
/// An idle machine of two cores does several times that.
const MINIMUM_RATE: &str = "60";
const WARM_UP: Duration = Duration::from_secs(5);
/// Making the registers takes some of it.
const STEADY_DEADLINE: Duration = Duration::from_secs(90);
const VERDICT_DEADLINE: Duration = Duration::from_secs(300);

/// Running clients.
pub struct Clients {
    child: Child,
    orders: ChildStdin,
    lines: Receiver<String>,
    /// Answered operations a second before the faults.
    pub rate: String,
}

/// What the clients did: `operations`, `reads`, `writes`, `refused`, `missing`, `unknown` and what else they print.
pub type Counts = BTreeMap<String, String>;

impl Clients {
    /// Starts clients on the managers; returns when they have shown a rate that proves something.
    ///
    /// # Errors
    /// They cannot start, or their rate is too low.
    pub fn start(record: &Record, managers: &[Node]) -> Result<Self> {
        let mut clients = command(
            &binaries::daemon_dir()?.join("linearizability").display().to_string(),
            &[""; 0],
        );
        clients.args([
            "--minimum-rate",
            MINIMUM_RATE,
            "--warm-up",
            &WARM_UP.as_secs().to_string(),
        ]);
        for node in managers {
            clients.arg(format!("/proc/{}/root/run/netctl/netctl.sock", record.holder(*node)?));
        }
        clients.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = clients.spawn().context("starting the clients")?;
        let orders = child.stdin.take().context("the clients take orders")?;
        let output = BufReader::new(child.stdout.take().context("the clients have an output")?);
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        let mut started = Self {
            child,
            orders,
            lines,
            rate: String::new(),
        };
        started.rate = started.await_line("rate", STEADY_DEADLINE)?;
        // A rate that is too low is their last word.
        std::thread::sleep(Duration::from_millis(200));
        if let Some(status) = started.child.try_wait()? {
            bail!("the clients gave up: {status}");
        }
        Ok(started)
    }

    /// Has them look for the first write from now on that succeeds.
    ///
    /// # Errors
    /// They have ended.
    pub fn mark(&mut self, name: &str) -> Result<()> {
        writeln!(self.orders, "mark {name}").context("the clients have ended")
    }

    /// Milliseconds from [`Self::mark`] to the answer of that write.
    ///
    /// # Errors
    /// None succeeded until the deadline.
    pub fn gap(&mut self, name: &str, deadline: Duration) -> Result<u64> {
        let text = self.await_line(&format!("gap {name}"), deadline);
        let text = text.with_context(|| format!("no write succeeded since {name:?}"))?;
        text.parse().with_context(|| format!("the clients said {text:?}"))
    }

    /// Ends them and returns their counts.
    ///
    /// # Errors
    /// What they saw was not linearizable.
    pub fn end(mut self) -> Result<Counts> {
        writeln!(self.orders, "end").context("the clients have ended")?;
        let mut counts = Counts::from([("rate".to_owned(), self.rate.clone())]);
        while let Ok(line) = self.lines.recv_timeout(VERDICT_DEADLINE) {
            if let Some((name, value)) = line.split_once(' ') {
                counts.insert(name.to_owned(), value.to_owned());
            }
        }
        let status = self.child.wait()?;
        if !status.success() || counts.get("linearizable").is_none_or(|word| word != "yes") {
            bail!("{} (the history is above)", describe(&counts));
        }
        Ok(counts)
    }

    /// The rest of the next line that starts with `name`.
    fn await_line(&mut self, name: &str, deadline: Duration) -> Result<String> {
        let end = Instant::now() + deadline;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(rest) = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(' ')) {
                        return Ok(rest.to_owned());
                    }
                }
                Err(RecvTimeoutError::Timeout) => bail!("not within {} s", deadline.as_secs()),
                Err(RecvTimeoutError::Disconnected) => bail!("the clients have ended: {}", self.child.wait()?),
            }
        }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        // Gone already after `end`; else nobody wants their verdict.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The counts in one line.
pub fn describe(counts: &Counts) -> String {
    let names = ["operations", "reads", "writes", "refused", "missing", "unknown", "keys"];
    let words = names
        .iter()
        .filter_map(|name| Some(format!("{} {name}", counts.get(*name)?)));
    let words: Vec<String> = words.collect();
    format!("{}; {} a second before the faults", words.join(", "), counts["rate"])
}
