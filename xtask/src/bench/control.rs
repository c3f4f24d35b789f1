//! `cargo xtask bench control`: what the control plane costs and how fast it
//! gets over failures.
//!
//! Prints `name value unit` lines and keeps them in `target/bench/control.json`,
//! where the figures of parts that were not measured now stay as they were.

use super::{Figure, Figures, failover};
use crate::{repo, setup};
use anyhow::{Context, Result};

/// What is measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Leaders killed and frozen, nodes without power, in a lab
    Failover,
}

const ALL: [Part; 1] = [Part::Failover];

impl Part {
    fn measure(self) -> Result<Vec<Figure>> {
        match self {
            Self::Failover => failover::measure(),
        }
    }
}

/// Measures the parts, all when none is given.
///
/// # Errors
/// A part cannot be measured; what the others before it came to is kept.
pub fn run(parts: &[Part]) -> Result<()> {
    setup::setup()?;
    for part in if parts.is_empty() { ALL.as_slice() } else { parts } {
        let figures = part.measure().with_context(|| format!("measuring {part:?}"))?;
        for figure in &figures {
            println!("{} {} {}", figure.name, figure.value, figure.unit);
        }
        keep(figures)?;
    }
    Ok(())
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
