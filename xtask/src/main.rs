//! `cargo xtask`: the single door to everything that people and CI do with
//! this repository. Decides nothing itself: one module a subcommand.

mod bench;
mod binaries;
mod check;
mod demo;
mod ebpf;
mod fuzz;
mod interrupt;
mod lab;
mod lab_cli;
mod one_port;
mod process;
mod repo;
mod setup;
mod tiers;

use clap::Parser;
use std::net::SocketAddrV4;
use std::process::ExitCode;

/// Build, check, test and show netctl.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Xtask {
    /// Install what a fresh Debian 12 with Rust lacks
    Setup,
    /// Compile the eBPF programs into target/bpf/progs.o
    BuildEbpf,
    /// Show the main job in a lab, every result checked
    Demo {
        /// Number of nodes, 3 to 9
        #[arg(long, default_value_t = 3)]
        nodes: u8,
        /// Leave the cluster running
        #[arg(long)]
        keep: bool,
        /// The quick start on one host-like node instead
        #[arg(long, conflicts_with_all = ["nodes", "keep"])]
        quick_start: bool,
        /// What must be refused, on one host-like node, instead
        #[arg(long, conflicts_with_all = ["nodes", "keep", "quick_start"])]
        bad_input: bool,
    },
    /// Run the tests: all tiers, or those named
    Test {
        /// unit, sim, prog, netns, fuzz, e2e
        tiers: Vec<tiers::Tier>,
    },
    /// Measure: figures on standard output and in target/bench/
    #[command(subcommand)]
    Bench(Bench),
    /// Format, lints, dependency borders, no I/O below core/
    Check,
    /// libFuzzer in front of what comes from outside
    Fuzz {
        /// token, request, session, record, snapshot; all when none is given
        targets: Vec<String>,
        /// Seconds per target
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// One client port to several servers at once (run by the demo)
    #[command(hide = true)]
    OnePort {
        /// tcp or udp
        protocol: String,
        /// The client's port
        port: u16,
        /// The servers
        servers: Vec<SocketAddrV4>,
    },
    /// Nodes, engines and a client on this machine
    #[command(subcommand)]
    Lab(lab_cli::LabCommand),
}

/// What can be measured.
#[derive(clap::Subcommand)]
enum Bench {
    /// Cost of a packet in each program, and of the paths in the lab
    Datapath {
        /// The programs alone, without a lab
        #[arg(long)]
        programs_only: bool,
    },
}

fn main() -> ExitCode {
    let outcome = match Xtask::parse() {
        Xtask::Setup => setup::setup(),
        Xtask::BuildEbpf => ebpf::build(),
        Xtask::Demo { quick_start: true, .. } => demo::run_quick_start(),
        Xtask::Demo { bad_input: true, .. } => demo::run_bad_input(),
        Xtask::Demo { nodes, keep, .. } => demo::run(nodes, keep),
        Xtask::Test { tiers } => tiers::run(&tiers),
        Xtask::Bench(Bench::Datapath { programs_only }) => bench::datapath(programs_only),
        Xtask::Check => check::run_all(),
        Xtask::Fuzz { targets, seconds } => fuzz::run(&targets, seconds).map(drop),
        Xtask::OnePort {
            protocol,
            port,
            servers,
        } if protocol == "udp" => one_port::udp(port, &servers),
        Xtask::OnePort { port, servers, .. } => one_port::tcp(port, &servers),
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
