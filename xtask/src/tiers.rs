//! `cargo xtask test`: the tiers, from pure code to whole clusters.
//!
//! A tier that cannot run fails and names what is missing; a tier in which no
//! test ran fails too. Every tier runs whatever the ones before it did.

use crate::demo::report;
use crate::process::command;
use crate::{binaries, ebpf, fuzz, repo, setup};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Instant;

/// A tier, cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Tier {
    /// Pure crates, the edges' own tests, the examples
    Unit,
    /// The whole cluster in memory, in virtual time
    Sim,
    /// Packets through the loaded programs
    Prog,
    /// Agents in network namespaces
    Netns,
    /// libFuzzer, a few seconds per kind of input
    Fuzz,
    /// Whole clusters in the lab
    E2e,
}

const ALL: [Tier; 6] = [Tier::Unit, Tier::Sim, Tier::Prog, Tier::Netns, Tier::Fuzz, Tier::E2e];

/// Seconds per kind of input in the fuzz tier; the soak gives them more.
const FUZZ_SECONDS: u32 = 5;

/// Crates that are tiers of their own.
const TIER_CRATES: [&str; 4] = ["sim", "prog", "netns", "e2e"];

/// Runs the tiers (all when none is given) and prints a summary.
///
/// # Errors
/// Names the tiers that failed.
pub fn run(tiers: &[Tier]) -> Result<()> {
    setup::setup()?;
    ebpf::build()?;
    let tiers = if tiers.is_empty() { ALL.as_slice() } else { tiers };
    let mut rows = Vec::new();
    for tier in tiers {
        println!("\n== {tier:?}");
        let start = Instant::now();
        let outcome = run_tier(*tier);
        if let Err(error) = &outcome {
            eprintln!("{tier:?}: {error:#}");
        }
        rows.push((*tier, outcome, start.elapsed().as_secs()));
    }
    summary(&rows)
}

fn summary(rows: &[(Tier, Result<u32>, u64)]) -> Result<()> {
    println!("\n{:<8}{:<8}{:>7}{:>10}", "TIER", "RESULT", "TESTS", "SECONDS");
    for (tier, outcome, seconds) in rows {
        let (word, tests) = match outcome {
            Ok(tests) => ("ok", tests.to_string()),
            Err(_) => ("FAILED", "-".to_owned()),
        };
        println!(
            "{:<8}{word:<8}{tests:>7}{seconds:>10}",
            format!("{tier:?}").to_lowercase()
        );
    }
    let failed: Vec<String> = rows
        .iter()
        .filter(|row| row.1.is_err())
        .map(|row| format!("{:?}", row.0))
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    bail!("failed: {}", failed.join(", ").to_lowercase())
}

/// Runs one tier; returns the number of tests that passed.
fn run_tier(tier: Tier) -> Result<u32> {
    let passed = match tier {
        Tier::Unit => unit()?,
        Tier::Sim => cargo_test("", &["-p", "sim"], &[])? + planted()?,
        Tier::Prog => privileged("prog", &[])?,
        Tier::Netns => privileged("netns", &[])?,
        Tier::Fuzz => {
            fuzz::run(&[], FUZZ_SECONDS)?;
            fuzz::TARGETS.len().try_into()?
        }
        Tier::E2e => {
            binaries::build_daemons()?;
            privileged("e2e", &["--test-threads=1", "--nocapture"])?
        }
    };
    if passed == 0 {
        bail!("no test ran");
    }
    Ok(passed)
}

fn unit() -> Result<u32> {
    let mut words = vec!["--workspace"];
    for name in TIER_CRATES {
        words.extend(["--exclude", name]);
    }
    Ok(cargo_test("", &words, &[])? + cargo_test("examples", &[], &[])?)
}

/// The checkers against bugs that are compiled in for them.
fn planted() -> Result<u32> {
    let features = "sim/planted,manager/planted";
    cargo_test(
        "",
        &["-p", "sim", "-p", "manager", "--features", features, "planted"],
        &[],
    )
}

/// A tier whose tests are marked `#[ignore]` because they need root.
fn privileged(package: &str, options: &[&str]) -> Result<u32> {
    setup::require_root()?;
    let object = repo::bpf_object();
    if !object.exists() {
        bail!("no {}: run cargo xtask build-ebpf", object.display());
    }
    cargo_test("", &["-p", package], &[&["--include-ignored"], options].concat())
}

/// `cargo test` in a folder of the repository, its output passed on; counts what passed.
///
/// # Errors
/// A test failed. Claims that failed are said once more, as they stand far up in the output of many scenarios.
fn cargo_test(folder: &str, words: &[&str], options: &[&str]) -> Result<u32> {
    let mut cargo = command("cargo", &["test", "--quiet", "--no-fail-fast"]);
    cargo
        .args(words)
        .arg("--")
        .args(options)
        .current_dir(repo::root().join(folder))
        .stdout(Stdio::piped());
    if folder == "examples" {
        cargo.env("CARGO_TARGET_DIR", repo::target().join("examples"));
    }
    let mut child = cargo.spawn().context("starting cargo test")?;
    let output = child.stdout.take().context("cargo test has an output")?;
    let mut passed = 0;
    let mut failed = String::new();
    for line in BufReader::new(output).lines() {
        let line = line?;
        passed += passed_in(&line);
        if line.starts_with(report::FAIL) {
            failed = failed + "\n" + &line;
        }
        println!("{line}");
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("cargo test {} failed{failed}", words.join(" "));
    }
    Ok(passed)
}

/// The count in a line `test result: ok. 3 passed; ...`.
fn passed_in(line: &str) -> u32 {
    let rest = line.strip_prefix("test result: ok. ");
    rest.and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_tests_are_counted_from_the_result_line() {
        assert_eq!(passed_in("test result: ok. 12 passed; 0 failed; 0 ignored"), 12);
        assert_eq!(passed_in("test a ... ok"), 0);
    }
}
