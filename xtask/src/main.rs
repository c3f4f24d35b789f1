//! `cargo xtask`: the single door to everything that people and CI do with
//! this repository. Decides nothing itself: one module a subcommand.

mod binaries;
mod ebpf;
mod lab;
mod lab_cli;
mod process;
mod repo;
mod setup;

use clap::Parser;
use std::process::ExitCode;

/// Build, check, test and show netctl.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Xtask {
    /// Install what a fresh Debian 12 with Rust lacks
    Setup,
    /// Compile the eBPF programs into target/bpf/progs.o
    BuildEbpf,
    /// Nodes, engines and a client on this machine
    #[command(subcommand)]
    Lab(lab_cli::LabCommand),
}

fn main() -> ExitCode {
    let outcome = match Xtask::parse() {
        Xtask::Setup => setup::setup(),
        Xtask::BuildEbpf => ebpf::build(),
        Xtask::Lab(command) => lab_cli::run(command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
