//! A node's daemon: started, stopped and killed by hand, as the demo and the
//! tests need it. Its words go to `target/lab/<node>/netd.log`.

use super::layout::Node;
use super::place::Place;
use super::state::Record;
use super::{cgroup, engine, wait};
use crate::process::succeeds;
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use std::path::PathBuf;
use std::time::Duration;

const START_DEADLINE: Duration = Duration::from_secs(30);
const STOP_DEADLINE: Duration = Duration::from_secs(15);

/// Starts the daemon; returns when its socket answers.
///
/// # Errors
/// It runs already, or does not answer within 30 s.
pub fn start(record: &Record, node: Node) -> Result<()> {
    start_under(record, node, &[])
}

/// As [`start`], by way of a program that limits what it starts.
///
/// # Errors
/// As [`start`].
pub fn start_under(record: &Record, node: Node, limits: &[&str]) -> Result<()> {
    launch(record, node, limits)?;
    await_answer(record, node)
}

/// Starts the daemon, by way of a program that limits what it starts; does not wait for it.
///
/// # Errors
/// It runs already, or cannot be started.
pub fn launch(record: &Record, node: Node, limits: &[&str]) -> Result<()> {
    if running(node).is_some() {
        bail!("netd of {} runs already", node.name());
    }
    let cgroup = cgroup::create(&node.namespace())?.display().to_string();
    let words = [limits, &["netd", "--cgroup", &cgroup]].concat();
    let mut netd = Place::Node(node).command(record, &words)?;
    netd.env(
        "RUST_LOG",
        std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned()),
    );
    let pid = engine::spawn(&mut netd, node, "netd")?;
    Ok(std::fs::write(pid_file(node), pid.to_string())?)
}

/// Waits until the daemon's socket answers.
///
/// # Errors
/// Not within 30 s.
pub fn await_answer(record: &Record, node: Node) -> Result<()> {
    let answers = || {
        let info = Place::Node(node).command(record, &["netctl", "info"]);
        info.is_ok_and(|mut info| succeeds(&mut info))
    };
    if wait::until(START_DEADLINE, answers).is_err() {
        bail!(
            "netd of {} does not answer: see {}/netd.log",
            node.name(),
            node.logs().display()
        );
    }
    Ok(())
}

/// Ends the daemon with the signal `word` and waits until it has gone.
///
/// # Errors
/// It does not run, or does not go within 15 s.
pub fn end(node: Node, word: Signal) -> Result<()> {
    signal(node, word)?;
    await_end(node)
}

/// Kills the daemon (SIGKILL); does not wait.
///
/// # Errors
/// It does not run.
pub fn strike(node: Node) -> Result<()> {
    signal(node, Signal::SIGKILL)
}

/// Waits until the daemon has gone.
///
/// # Errors
/// Not within 15 s.
pub fn await_end(node: Node) -> Result<()> {
    wait::until(STOP_DEADLINE, || running(node).is_none()).with_context(|| format!("netd of {}", node.name()))
}

/// Stops the daemon where it is (SIGSTOP): its connections stay open and nobody answers on them.
///
/// # Errors
/// It does not run.
pub fn pause(node: Node) -> Result<()> {
    signal(node, Signal::SIGSTOP)
}

/// Lets a paused daemon go on.
///
/// # Errors
/// It does not run.
pub fn go_on(node: Node) -> Result<()> {
    signal(node, Signal::SIGCONT)
}

fn signal(node: Node, word: Signal) -> Result<()> {
    let pid = running(node).with_context(|| format!("netd of {} does not run", node.name()))?;
    Ok(kill(pid, word)?)
}

/// The running daemon's id. A zombie does not run: it has no executable.
pub fn running(node: Node) -> Option<Pid> {
    let pid: i32 = std::fs::read_to_string(pid_file(node)).ok()?.trim().parse().ok()?;
    let Ok(program) = std::fs::read_link(format!("/proc/{pid}/exe")) else {
        // Ours if this process has started it: a benchmark kills many.
        let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
        return None;
    };
    let name = program.file_name()?.to_string_lossy().into_owned();
    // A daemon whose file was built anew shows "netd (deleted)".
    name.starts_with("netd").then_some(Pid::from_raw(pid))
}

/// Forgets the daemon of a node that lost its power: its number may be somebody else's by now.
///
/// # Errors
/// The note of it does not go.
pub fn forget(node: Node) -> Result<()> {
    match std::fs::remove_file(pid_file(node)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn pid_file(node: Node) -> PathBuf {
    node.disk().join("netd.pid")
}
