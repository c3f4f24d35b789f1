//! `cargo xtask bench datapath`: what a packet costs in each program, and what
//! the virtual IP and the published port cost beside direct traffic.
//!
//! Prints `name value unit` lines and writes them to
//! `target/bench/datapath.json`. Figures of one run are comparable with each
//! other; the machine decides how far with those of another.

pub mod control;
mod failover;
mod goals;
mod paths;
pub mod services;

use crate::process::{command, output};
use crate::{ebpf, repo, setup};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// One measured value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Lower case, words joined by underscores.
    pub name: String,
    /// The value.
    pub value: f64,
    /// Unit of the value: `ns`, `ms`, `1/s`, `gbit/s`, `ratio`.
    pub unit: String,
}

#[derive(Serialize, Deserialize)]
struct Figures {
    figures: Vec<Figure>,
}

/// Measures the programs alone and, unless told not to, the paths in the lab.
///
/// # Errors
/// A part cannot be measured.
pub fn datapath(programs_only: bool) -> Result<()> {
    setup::setup()?;
    ebpf::build()?;
    let mut figures = programs()?;
    if !programs_only {
        figures.extend(paths::measure()?);
    }
    for figure in &figures {
        println!("{} {} {}", figure.name, figure.value, figure.unit);
    }
    let path = repo::target().join("bench/datapath.json");
    std::fs::create_dir_all(repo::target().join("bench"))?;
    std::fs::write(&path, serde_json::to_vec_pretty(&Figures { figures })?)?;
    Ok(())
}

/// Nanoseconds a packet, by BPF_PROG_TEST_RUN (crate `prog`).
fn programs() -> Result<Vec<Figure>> {
    let mut cargo = command(
        "cargo",
        &["run", "--quiet", "--release", "-p", "prog", "--bin", "prog-bench"],
    );
    let text = output(cargo.current_dir(repo::root()))?;
    text.lines()
        .map(|line| parse(line).with_context(|| format!("prog-bench printed {line:?}")))
        .collect()
}

fn parse(line: &str) -> Option<Figure> {
    let mut words = line.split_whitespace();
    let (name, value, unit) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
    Some(Figure {
        name: name.to_owned(),
        value,
        unit: unit.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_name_value_unit_is_a_figure() {
        let figure = parse("from_container_vip 182.5 ns");
        assert_eq!(
            figure,
            Some(Figure {
                name: "from_container_vip".into(),
                value: 182.5,
                unit: "ns".into()
            })
        );
        assert_eq!(parse("Compiling prog"), None);
    }
}
