//! `xtask fuzz`: libFuzzer in front of what comes from outside (`fuzz/`, whose assertions are in `tests/fuzz`).
//!
//! Called by people, by the fuzz tier and by the soak. The instrumentation is LLVM's and needs no nightly compiler; no
//! sanitizer runs beside it, as the code under test has no unsafe part of its own.

use crate::process::command;
use crate::repo;
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// The kinds of input, cheapest first; programs of these names are in `fuzz/`.
pub const TARGETS: [&str; 6] = ["token", "sealed", "request", "session", "record", "snapshot"];

/// With --target the flags reach the programs only, not build scripts.
const TRIPLE_FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";
/// Bytes that an input may have.
const LONGEST: u32 = 16 << 10;
/// Mebibytes that a program may take.
const MEMORY: u32 = 1024;

/// Fuzzes `targets` (all when none is given) for `seconds` each. Prints one line per target; answers with the number of
/// inputs tried.
///
/// # Errors
/// A build fails, a target is unknown, or an input broke a rule: the error names the file that holds it.
pub fn run(targets: &[String], seconds: u32) -> Result<u64> {
    if let Some(unknown) = targets.iter().find(|name| !TARGETS.contains(&name.as_str())) {
        bail!("no fuzz target {unknown}: there are {}", TARGETS.join(", "));
    }
    let programs = build()?;
    let seeds = repo::target().join("fuzz/corpus");
    let mut write = command("cargo", &["run", "--quiet", "-p", "fuzzing", "--"]);
    crate::process::run(write.arg(&seeds).current_dir(repo::root())).context("writing the seeds")?;
    let mut tried = 0;
    for target in TARGETS {
        if targets.is_empty() || targets.iter().any(|name| name == target) {
            let count = fuzz(&programs, target, &seeds.join(target), seconds)?;
            println!("fuzz {target}: {count} inputs in {seconds} s, no rule broken");
            tried += count;
        }
    }
    Ok(tried)
}

/// Builds the programs; returns their folder.
fn build() -> Result<PathBuf> {
    let versions = crate::process::output(&mut command("rustc", &["-vV"]))?;
    let triple = versions.lines().find_map(|line| line.strip_prefix("host: "));
    let triple = triple.context("rustc names no host")?;
    let target_dir = repo::target().join("fuzz/build");
    println!("build: fuzz programs");
    let mut cargo = command(
        "cargo",
        &["build", "--quiet", "--release", "--bins", "--target", triple],
    );
    cargo
        .current_dir(repo::root().join("fuzz"))
        .env("CARGO_TARGET_DIR", &target_dir)
        .env("RUSTFLAGS", TRIPLE_FLAGS);
    crate::process::run(&mut cargo).context("building fuzz/")?;
    Ok(target_dir.join(triple).join("release"))
}

/// Runs one program; answers with the number of inputs that it tried.
fn fuzz(programs: &Path, target: &str, corpus: &Path, seconds: u32) -> Result<u64> {
    let findings = repo::target().join("fuzz/findings");
    std::fs::create_dir_all(&findings).with_context(|| format!("making {}", findings.display()))?;
    let prefix = findings.join(format!("{target}-"));
    let options = [
        format!("-max_total_time={seconds}"),
        format!("-max_len={LONGEST}"),
        format!("-rss_limit_mb={MEMORY}"),
        "-timeout=10".to_owned(),
        "-print_final_stats=1".to_owned(),
        format!("-artifact_prefix={}", prefix.display()),
        corpus.display().to_string(),
    ];
    let program = programs.join(target);
    let mut child = command(&program.to_string_lossy(), &options)
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", program.display()))?;
    let (mut tried, mut words) = (0, Vec::new());
    for line in BufReader::new(child.stderr.take().context("a fuzz program has an output")?).lines() {
        let line = line?;
        tried = executed(&line).unwrap_or(tried);
        words.push(line);
    }
    if !child.wait()?.success() {
        let last = words.len().saturating_sub(30);
        bail!(
            "fuzz {target} found an input that breaks a rule:\n{}",
            words[last..].join("\n")
        );
    }
    if tried == 0 {
        bail!("fuzz {target}: no input was tried");
    }
    Ok(tried)
}

/// The count in libFuzzer's line `stat::number_of_executed_units: 123`.
fn executed(line: &str) -> Option<u64> {
    line.strip_prefix("stat::number_of_executed_units:")?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_of_inputs_is_read_from_the_final_lines() {
        assert_eq!(executed("stat::number_of_executed_units: 512"), Some(512));
        assert_eq!(executed("#512 DONE"), None);
    }
}
