//! The e2e tier: whole clusters in the lab.
//!
//! The scenarios are the demo's own (`xtask/src/demo`): one copy, which a
//! person can watch and CI can run. This crate only calls that door.

use anyhow::{Context, Result, bail};
use std::process::Command;

/// Runs `cargo xtask` with the given words.
///
/// # Errors
/// Another exit code than 0; what failed has been printed by then.
pub fn xtask(words: &[&str]) -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--package", "xtask", "--"]).args(words);
    let status = cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .context("starting cargo")?;
    if !status.success() {
        bail!("cargo xtask {} failed: {status}", words.join(" "));
    }
    Ok(())
}
