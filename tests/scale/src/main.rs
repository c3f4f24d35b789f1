//! `control-bench`: how fast the control plane is. Prints `name value unit` lines; `cargo xtask bench control` builds,
//! runs and files them. Each part stands alone, so that one can be repeated while it is being worked on.

mod cluster;
mod commit;
mod figure;
mod group;
mod million;
mod passes;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

/// What is measured.
#[derive(Parser)]
enum Part {
    /// Deciders alone: scheduler, and whole passes, in the shapes of Swarmkit's scheduler benchmark
    Passes {
        /// Only shapes whose name contains this
        #[arg(default_value = "")]
        only: String,
    },
    /// Deciders and virtual agents: 10,000 nodes, 1,000,000 tasks from nothing to running
    Million {
        /// Nodes
        #[arg(long, default_value_t = 10_000)]
        nodes: u32,
        /// Tasks of each of 1,000 services
        #[arg(long, default_value_t = 1_000)]
        replicas: u32,
    },
    /// One manager, Raft on disk: latency and rate of commits, a stack of 1,000 services
    Commit {
        /// Folder on the disk to measure; default: the folder for temporary files
        #[arg(long)]
        folder: Option<PathBuf>,
    },
    /// Managers as processes, Raft on disk, agents with real sessions: commits, and tasks from created to running
    Group {
        /// Folder on the disk to measure; default: the folder for temporary files
        #[arg(long)]
        folder: Option<PathBuf>,
        #[command(flatten)]
        size: group::Size,
    },
    /// One manager of a group; started by it
    #[command(hide = true)]
    Manager(group::Seat),
}

fn main() -> ExitCode {
    let outcome = match Part::parse() {
        Part::Passes { only } => passes::measure(&only),
        Part::Million { nodes, replicas } => million::measure(nodes, replicas),
        Part::Commit { folder } => commit::measure(&folder.unwrap_or_else(std::env::temp_dir)),
        Part::Group { folder, size } => group::measure(&folder.unwrap_or_else(std::env::temp_dir), size),
        Part::Manager(seat) => group::host(&seat),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("control-bench: {why:#}");
            ExitCode::FAILURE
        }
    }
}
