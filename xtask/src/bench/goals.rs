//! What `bench control` is to come to.
//!
//! Ten times the rates of Swarmkit's own scheduler benchmark (v2.1.1, measured on a machine of two cores), and times in
//! which users of Docker Swarm would see a difference: there a dead leader is replaced after 10 to 20 s, and a dead node
//! is found after 15 s. Figures without a goal are for comparison with those of another day.

use std::fmt;

use super::Figure;
use super::control::Part;
use anyhow::{Context, Result};

/// What a value is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// Or less.
    AtMost(f64),
    /// Or more.
    AtLeast(f64),
}

use Goal::{AtLeast, AtMost};

/// Names of figures and their goals.
type Goals = [(&'static str, Goal)];

/// Tasks a second.
const PASSES: &Goals = &[
    ("scheduler_1k_nodes_1k_tasks", AtLeast(153_000.0)),
    ("scheduler_1k_nodes_10k_tasks", AtLeast(83_000.0)),
    ("scheduler_1k_nodes_100k_tasks", AtLeast(54_000.0)),
    ("scheduler_1k_nodes_10k_tasks_constraint", AtLeast(66_000.0)),
    ("scheduler_5k_nodes_100k_tasks_constraint", AtLeast(16_800.0)),
    ("scheduler_100k_nodes_100k_tasks", AtLeast(2_500.0)),
];

/// Tasks a second, MiB.
const GROUP: &Goals = &[
    (
        "raft_3_managers_1000_agents_30000_tasks_create_to_running",
        AtLeast(5_000.0),
    ),
    ("raft_3_managers_1000_agents_30000_tasks_manager_peak", AtMost(400.0)),
];

/// Milliseconds.
const FAILOVER: &Goals = &[
    ("leader_killed_3_managers_write_gap_p50", AtMost(1_000.0)),
    ("leader_killed_3_managers_write_gap_p99", AtMost(2_000.0)),
    ("leader_frozen_3_managers_write_gap_p50", AtMost(1_000.0)),
    ("leader_frozen_3_managers_write_gap_p99", AtMost(2_000.0)),
    ("leader_killed_5_managers_write_gap_p50", AtMost(1_000.0)),
    ("leader_killed_5_managers_write_gap_p99", AtMost(2_000.0)),
    ("leader_frozen_5_managers_write_gap_p50", AtMost(1_000.0)),
    ("leader_frozen_5_managers_write_gap_p99", AtMost(2_000.0)),
    ("node_lost_connections_unanswered_max", AtMost(3_000.0)),
    ("node_lost_tasks_replaced_max", AtMost(5_000.0)),
    // A new leader gives every node a full grace.
    ("leader_lost_with_its_node_connections_unanswered_max", AtMost(6_000.0)),
];

/// The goals of a part.
pub fn of(part: Part) -> &'static Goals {
    match part {
        Part::Passes => PASSES,
        Part::Group => GROUP,
        Part::Failover => FAILOVER,
        Part::Million | Part::Commit => &[],
    }
}

impl Goal {
    fn met(self, value: f64) -> bool {
        match self {
            AtMost(most) => value <= most,
            AtLeast(least) => value >= least,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AtMost(most) => write!(f, "at most {most}"),
            AtLeast(least) => write!(f, "at least {least}"),
        }
    }
}

/// The line of each figure, with its goal and the verdict where it has one; and those lines again whose goal is missed.
///
/// # Errors
/// A goal has no figure.
pub fn judged(goals: &Goals, figures: &[Figure]) -> Result<(Vec<String>, Vec<String>)> {
    for (name, _) in goals {
        let measured = figures.iter().any(|figure| figure.name == *name);
        measured
            .then_some(())
            .with_context(|| format!("{name} has a goal and was not measured"))?;
    }
    let (mut lines, mut missed) = (Vec::new(), Vec::new());
    for figure in figures {
        let line = format!("{} {} {}", figure.name, figure.value, figure.unit);
        let Some((_, goal)) = goals.iter().find(|(name, _)| figure.name == *name) else {
            lines.push(line);
            continue;
        };
        let met = goal.met(figure.value);
        let line = format!("{line} (goal: {goal}; {})", if met { "met" } else { "MISSED" });
        missed.extend((!met).then(|| line.clone()));
        lines.push(line);
    }
    Ok((lines, missed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(name: &str, value: f64) -> Figure {
        Figure {
            name: name.to_owned(),
            value,
            unit: "ms".to_owned(),
        }
    }

    #[test]
    fn a_missed_goal_is_said_beside_its_figure_and_again() {
        let goals = [("gap", AtMost(2_000.0)), ("rate", AtLeast(5.0))];
        let figures = [figure("gap", 2_001.0), figure("rate", 5.0), figure("other", 1.0)];
        let (lines, missed) = judged(&goals, &figures).unwrap();
        let gap = "gap 2001 ms (goal: at most 2000; MISSED)";
        assert_eq!(lines, [gap, "rate 5 ms (goal: at least 5; met)", "other 1 ms"]);
        assert_eq!(missed, [gap]);
    }

    #[test]
    fn what_is_no_number_meets_no_goal() {
        assert!(!AtMost(1.0).met(f64::NAN) && !AtLeast(1.0).met(f64::NAN));
    }

    #[test]
    fn a_goal_without_a_figure_is_an_error() {
        let why = judged(FAILOVER, &[]).unwrap_err().to_string();
        assert!(why.contains("was not measured"), "{why}");
    }
}
