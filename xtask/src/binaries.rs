//! Builds what the lab runs: the daemon, the CLI, the clients of the
//! linearizability check and the examples' binaries.
//!
//! Called by `lab`, `demo` and `bench`. `NETCTL_BIN_DIR` names a folder with
//! all three built elsewhere, which are then used as they are.

use crate::process::{command, output, run};
use crate::{ebpf, repo};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

/// Folder with `netd`, `netctl` and `linearizability`.
///
/// # Errors
/// `NETCTL_BIN_DIR` is set and holds no `netd`.
pub fn daemon_dir() -> Result<PathBuf> {
    let Some(given) = std::env::var_os("NETCTL_BIN_DIR") else {
        return Ok(repo::target().join("release"));
    };
    let given = PathBuf::from(given);
    if !given.join("netd").exists() {
        bail!("NETCTL_BIN_DIR={}: no netd there", given.display());
    }
    Ok(given)
}

/// Builds `netd`, `netctl` and `linearizability` in release form, the eBPF object before them.
///
/// # Errors
/// A build fails.
pub fn build_daemons() -> Result<()> {
    if std::env::var_os("NETCTL_BIN_DIR").is_some() {
        return daemon_dir().map(|_| ());
    }
    ebpf::build()?;
    println!("build: netd, netctl and linearizability (release)");
    let mut cargo = command(
        "cargo",
        &[
            "build",
            "--quiet",
            "--release",
            "-p",
            "netd",
            "-p",
            "netctl",
            "-p",
            "linearizability",
        ],
    );
    cargo.current_dir(repo::root()).env("CARGO_TARGET_DIR", repo::target());
    run(&mut cargo)
}

/// Builds the examples as static binaries; returns their folder.
///
/// # Errors
/// The build fails.
pub fn build_examples() -> Result<PathBuf> {
    let versions = output(&mut command("rustc", &["-vV"]))?;
    let triple = versions
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("rustc names no host")?;
    let target_dir = repo::target().join("examples");
    let mut cargo = command("cargo", &["build", "--quiet", "--release", "--target", triple]);
    // With --target the flags reach the programs only, not build scripts.
    cargo
        .current_dir(repo::root().join("examples"))
        .env("CARGO_TARGET_DIR", &target_dir)
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    run(&mut cargo).context("building examples/")?;
    Ok(target_dir.join(triple).join("release"))
}
