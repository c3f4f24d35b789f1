//! A network namespace without a name or a process: it lives as long as the value.

use std::fs::File;
use std::os::fd::AsRawFd as _;

use anyhow::{Context as _, Result};
use nix::sched::{CloneFlags, setns, unshare};

use crate::load::ip;

/// A network namespace, alive as long as this value.
#[derive(Debug)]
pub struct Ns(File);

impl Ns {
    /// An empty one with `lo` up.
    ///
    /// # Errors
    /// No root.
    pub fn new() -> Result<Self> {
        let file = std::thread::spawn(|| -> Result<File> {
            unshare(CloneFlags::CLONE_NEWNET).context("a network namespace: run as root")?;
            ip("link set lo up")?;
            Ok(File::open("/proc/thread-self/ns/net")?)
        });
        Ok(Self(file.join().map_err(|_| anyhow::anyhow!("namespace thread"))??))
    }

    /// Runs `f` on a thread inside.
    pub fn run<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|s| {
            let inside = s.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap_or_else(|e| panic!("setns: {e}"));
                f()
            });
            inside.join().unwrap_or_else(|e| std::panic::resume_unwind(e))
        })
    }

    /// Runs several `ip` commands, one a line.
    ///
    /// # Errors
    /// The first that fails.
    pub fn ip(&self, lines: &str) -> Result<()> {
        self.run(|| lines.lines().map(str::trim).filter(|l| !l.is_empty()).try_for_each(ip))
    }

    /// A name that `ip ... netns` takes.
    pub(super) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}
