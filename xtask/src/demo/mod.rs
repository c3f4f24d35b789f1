//! `cargo xtask demo`: the main job of netctl in a lab, step by step, as a user
//! would type it, with every result checked.
//!
//! Called by people and by the e2e tier, which runs the very same code. Waits
//! by polling with deadlines; leaves nothing behind unless told to keep it.

mod bad_input;
mod bound;
mod canary;
pub mod cluster;
mod daemon_killed;
mod deploy;
mod egress;
pub mod failures;
mod healing;
pub mod join;
pub mod linearizability;
pub mod names;
mod published;
mod quick_start;
mod recovery;
mod removal;
pub mod report;
pub mod roster;
mod steady;
mod traces;
mod tutorial;
mod updates;

use crate::lab::layout::Node;
use crate::lab::state::Flavour;
use crate::{binaries, interrupt, lab, setup};
use anyhow::Result;
use cluster::Cluster;
use report::Report;

/// Runs the main job on a lab of its own.
///
/// # Errors
/// Set-up or a claim failed; the summary has been printed then.
pub fn run(nodes: u8, keep: bool) -> Result<()> {
    if nodes < 3 {
        anyhow::bail!("the main job needs 3 nodes or more, not {nodes}");
    }
    setup::setup()?;
    binaries::build_daemons()?;
    interrupt::take_lab_down()?;
    println!("demo: making a lab of {nodes} nodes");
    let cluster = Cluster {
        record: lab::up(nodes, Flavour::Bare)?,
    };
    let mut report = Report::default();
    if let Err(error) = main_job(&cluster, &mut report, keep) {
        println!("   {error:#}");
        report.check("the main job runs to its end", Err(error));
    }
    if keep {
        print_usage();
    } else {
        lab::down()?;
        println!(
            "\ndemo: the lab is gone; logs are in {}",
            crate::repo::lab_logs().display()
        );
    }
    report.finish()
}

/// A story of its own, beside the main job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// The README's quick start.
    QuickStart,
    /// What must be refused.
    BadInput,
    /// What every Swarm user tries.
    Tutorial,
    /// What nodes suffer.
    Failures,
    /// Managers that are gone for good.
    Recovery,
    /// Clients under faults.
    Linearizability,
    /// Clients under updates, rollbacks, scaling and a drain.
    Updates,
    /// Clients under canaries.
    Canary,
}

impl Scenario {
    /// Number of nodes, and what they are like.
    fn lab(self) -> (u8, Flavour) {
        match self {
            Self::QuickStart => (1, Flavour::HostLike),
            Self::BadInput => (2, Flavour::HostLike),
            Self::Tutorial | Self::Recovery => (4, Flavour::Bare),
            // Their engines take the containers with them when they end.
            Self::Failures => (3, Flavour::HostLike),
            Self::Linearizability | Self::Updates | Self::Canary => (3, Flavour::Bare),
        }
    }

    fn tell(self, cluster: &mut Cluster, report: &mut Report) -> Result<()> {
        match self {
            Self::QuickStart => quick_start::run(cluster, report),
            Self::BadInput => bad_input::run(cluster, report),
            Self::Tutorial => tutorial::run(cluster, report),
            Self::Failures => failures::run(cluster, report),
            Self::Recovery => recovery::run(cluster, report),
            Self::Updates => updates::run(cluster, report),
            Self::Canary => canary::run(cluster, report),
            Self::Linearizability => {
                let managers: Vec<Node> = cluster.nodes().collect();
                join::form_with_managers(cluster, &managers[1..])?;
                linearizability::claim(cluster, &managers, report)
            }
        }
    }
}

/// Runs a scenario on a lab of its own.
///
/// # Errors
/// Set-up or a claim failed; the summary has been printed then.
pub fn run_scenario(scenario: Scenario) -> Result<()> {
    setup::setup()?;
    binaries::build_daemons()?;
    interrupt::take_lab_down()?;
    let (nodes, flavour) = scenario.lab();
    let mut cluster = Cluster {
        record: lab::up(nodes, flavour)?,
    };
    let mut report = Report::default();
    if let Err(error) = scenario.tell(&mut cluster, &mut report) {
        report.check("the scenario runs to its end", Err(error));
    }
    lab::down()?;
    report.finish()
}

fn main_job(cluster: &Cluster, report: &mut Report, keep: bool) -> Result<()> {
    report.step(1, "a cluster of three nodes");
    join::run(cluster, report)?;
    report.step(2, "a network and three services");
    deploy::run(cluster, report)?;
    report.step(3, "names, virtual IPs and the overlay");
    names::run(cluster, report)?;
    report.step(4, "the published port on every node");
    published::run(cluster, report)?;
    report.step(5, "scaling and self-healing");
    healing::run(cluster, report)?;
    report.step(6, "SIGKILL of the daemon under traffic");
    daemon_killed::run(cluster, report)?;
    report.step(7, "to the world, and not");
    egress::run(cluster, report)?;
    if keep {
        println!("\n== 8. skipped: the cluster is kept");
        return Ok(());
    }
    report.step(8, "removal leaves nothing");
    removal::run(cluster, report)
}

fn print_usage() {
    println!("\nThe cluster is kept. Use it:");
    println!("   cargo xtask lab exec n1 -- netctl node ls");
    println!("   cargo xtask lab exec n1 -- netctl service ls");
    println!("   cargo xtask lab exec client -- curl -s http://10.77.0.12:8080/");
    println!("Stop it:\n   cargo xtask lab down");
}
