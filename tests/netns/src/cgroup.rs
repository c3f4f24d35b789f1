//! A cgroup of the test's own, below the cgroup2 root.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use agent::datapath::cgroup2_mount;
use anyhow::{Context, Result, bail};

use crate::Ns;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Exists while this value lives.
#[derive(Debug)]
pub struct Cgroup(PathBuf);

impl Cgroup {
    /// Makes one.
    pub fn new() -> Result<Self> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let root = cgroup2_mount()?.context("no cgroup2 tree: `mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified`")?;
        let path = root.join(format!("netctl-netns-{}-{number}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("{}: run these tests as root", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Output of a line of bash whose process is in this cgroup and in `ns`.
    pub fn bash(&self, ns: &Ns, line: &str) -> Result<String> {
        let procs = self.0.join("cgroup.procs");
        let script = format!("echo $$ > {} && exec timeout 4 bash -c '{line}'", procs.display());
        let output = ns.run(|| Command::new("bash").args(["-c", &script]).output())?;
        if !output.status.success() {
            bail!(
                "{line}: {} {}",
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}
