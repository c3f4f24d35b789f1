//! Network namespaces that live as long as a value.

use std::{fs::File, os::fd::AsRawFd, process::Command};

use anyhow::{Context, Result, anyhow, bail};
use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace.
#[derive(Debug)]
pub struct Ns(File);

impl Ns {
    /// An empty one with `lo` up.
    pub fn new() -> Result<Self> {
        let made = std::thread::spawn(|| -> Result<File> {
            unshare(CloneFlags::CLONE_NEWNET).context("these tests make network namespaces: run them as root")?;
            ip("link set lo up")?;
            Ok(File::open("/proc/thread-self/ns/net")?)
        });
        Ok(Self(
            made.join().map_err(|_| anyhow!("the namespace's thread panicked"))??,
        ))
    }

    /// Another handle of the same namespace.
    pub fn clone_of(other: &Self) -> Result<Self> {
        Self::of(&other.0)
    }

    /// The namespace behind a handle.
    pub fn of(handle: &File) -> Result<Self> {
        Ok(Self(handle.try_clone()?))
    }

    /// Runs `f` on a thread inside; threads that `f` starts are inside too.
    pub fn run<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap_or_else(|error| panic!("setns: {error}"));
                f()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs `ip` inside, one command a line.
    pub fn ip(&self, lines: &str) -> Result<()> {
        self.run(|| {
            lines
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .try_for_each(ip)
        })
    }

    /// Output of a command inside.
    pub fn output(&self, command: &str) -> Result<String> {
        self.run(|| {
            let words: Vec<&str> = command.split_whitespace().collect();
            let output = Command::new(words[0])
                .args(&words[1..])
                .output()
                .with_context(|| words[0].to_owned())?;
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        })
    }

    /// A name that `ip link set ... netns` takes.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

fn ip(arguments: &str) -> Result<()> {
    let output = Command::new("ip")
        .args(arguments.split_whitespace())
        .output()
        .context("ip (package iproute2)")?;
    if !output.status.success() {
        bail!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
