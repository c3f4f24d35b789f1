//! A BPF filesystem of the test's own, so that no pin of the machine is touched.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Mounted while this value lives; pins go with it.
#[derive(Debug)]
pub struct Bpffs(PathBuf);

impl Bpffs {
    /// Mounts one below the temporary directory.
    pub fn new() -> Result<Self> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("netctl-bpffs-{}-{number}", std::process::id()));
        fs::create_dir_all(&path)?;
        mount(Some("bpf"), &path, Some("bpf"), MsFlags::empty(), None::<&str>)
            .context("these tests mount a BPF filesystem: run them as root")?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Bpffs {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
        let _ = fs::remove_dir(&self.0);
    }
}
