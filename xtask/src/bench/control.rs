//! `cargo xtask bench control`: what the control plane costs and how fast it
//! gets over failures.
//!
//! Prints `name value unit` lines, with the goal and the verdict where there is a goal, and keeps the figures in
//! `target/bench/control.json`, where those of parts that were not measured now stay as they were.

use super::{Figure, Figures, failover, goals, parse};
use crate::process::{command, output};
use crate::{repo, setup};
use anyhow::{Context, Result, bail};

/// What is measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Scheduler and whole passes alone, in the shapes of Swarmkit's benchmark
    Passes,
    /// 10,000 nodes and 1,000,000 tasks with virtual agents, in memory
    Million,
    /// One manager, Raft on disk: latency and rate of commits, a stack of 1,000 services
    Commit,
    /// Three managers, Raft on disk, 1,000 agents over gRPC: commits, 30,000 tasks from created to running
    Group,
    /// Leaders killed and frozen, nodes without power, in a lab
    Failover,
}

const ALL: [Part; 5] = [Part::Passes, Part::Million, Part::Commit, Part::Group, Part::Failover];
/// Rounds of each fault.
const ROUNDS: usize = 20;
const SHORT_ROUNDS: usize = 3;

impl Part {
    fn measure(self, rounds: usize) -> Result<Vec<Figure>> {
        match self {
            Self::Passes => alone("passes"),
            Self::Million => alone("million"),
            Self::Commit => alone("commit"),
            Self::Group => alone("group"),
            Self::Failover => failover::measure(rounds),
        }
    }
}

/// A part of the program `control-bench` (crate `scale`), which says what it measures.
fn alone(part: &str) -> Result<Vec<Figure>> {
    let program = [
        "run",
        "--quiet",
        "--release",
        "-p",
        "scale",
        "--bin",
        "control-bench",
        "--",
        part,
    ];
    let text = output(command("cargo", &program).current_dir(repo::root()))?;
    text.lines()
        .map(|line| parse(line).with_context(|| format!("control-bench printed {line:?}")))
        .collect()
}

/// Measures the parts, all when none is given. `short`: few rounds of the faults, for a first look.
///
/// # Errors
/// A part cannot be measured; what the others before it came to is kept. Or, when all are measured, a goal is missed.
pub fn run(parts: &[Part], short: bool) -> Result<()> {
    setup::setup()?;
    let rounds = if short { SHORT_ROUNDS } else { ROUNDS };
    let mut missed = Vec::new();
    for part in if parts.is_empty() { ALL.as_slice() } else { parts } {
        let figures = part.measure(rounds).with_context(|| format!("measuring {part:?}"))?;
        let (lines, below) = goals::judged(goals::of(*part), &figures)?;
        lines.iter().for_each(|line| println!("{line}"));
        missed.extend(below);
        keep(figures)?;
    }
    match missed.len() {
        0 => Ok(()),
        count => bail!("{count} goals are missed:\n  {}", missed.join("\n  ")),
    }
}

/// Puts figures into the file, in place of older ones of the same names.
fn keep(fresh: Vec<Figure>) -> Result<()> {
    let path = repo::target().join("bench/control.json");
    let mut kept = match std::fs::read(&path) {
        Ok(text) => {
            serde_json::from_slice(&text).with_context(|| format!("{} is no list of figures", path.display()))?
        }
        Err(_) => Figures { figures: Vec::new() },
    };
    kept.figures
        .retain(|old| fresh.iter().all(|figure| figure.name != old.name));
    kept.figures.extend(fresh);
    std::fs::create_dir_all(repo::target().join("bench"))?;
    Ok(std::fs::write(&path, serde_json::to_vec_pretty(&kept)?)?)
}
