//! `cargo xtask check`: what can be said about the code without running it.
//!
//! Format, lints with warnings denied, who depends on whom, and no I/O below
//! `core/`. Every part runs; the failures are named together at the end.

mod borders;
mod planted;
mod purity;

use crate::process::{command, run};
use crate::{ebpf, repo};
use anyhow::{Result, bail};

/// One check, silent when all is well.
type Check = fn() -> Result<()>;

/// Runs all checks.
///
/// # Errors
/// Names the checks that failed; their own words have been printed.
pub fn run_all() -> Result<()> {
    let checks: [(&str, Check); 5] = [
        ("format", format),
        ("lints", lints),
        ("borders", borders::check),
        ("purity of core/", purity::check),
        ("planted bugs", planted::check),
    ];
    let mut failed = Vec::new();
    for (name, check) in checks {
        println!("check: {name}");
        if let Err(error) = check() {
            eprintln!("{error:#}");
            failed.push(name);
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!("failed: {}", failed.join(", "))
}

fn format() -> Result<()> {
    for folder in ["", "examples", "ebpf/progs", "ebpf/faults"] {
        run(command("cargo", &["fmt", "--all", "--", "--check"]).current_dir(repo::root().join(folder)))?;
    }
    Ok(())
}

fn lints() -> Result<()> {
    ebpf::build()?;
    let denied = ["--quiet", "--all-targets", "--", "-D", "warnings"];
    let workspace = [&["clippy", "--workspace"], denied.as_slice()].concat();
    run(command("cargo", &workspace).current_dir(repo::root()))?;
    let target_dir = repo::target().join("examples");
    let examples = [&["clippy"], denied.as_slice()].concat();
    run(command("cargo", &examples)
        .current_dir(repo::root().join("examples"))
        .env("CARGO_TARGET_DIR", target_dir))
}
