//! `cargo xtask`: the single door to everything that people and CI do with
//! this repository. Decides nothing itself: one module a subcommand.

mod bench;
mod binaries;
mod check;
mod clients;
mod demo;
mod ebpf;
mod fuzz;
mod interrupt;
mod knock;
mod lab;
mod lab_cli;
mod one_port;
mod process;
mod repo;
mod setup;
mod soak;
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
        #[command(flatten)]
        scenario: ScenarioArg,
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
    /// Look for rare failures, round after round
    Soak {
        /// How long; the last round is finished
        #[arg(long, default_value_t = 60)]
        minutes: u64,
    },
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
    /// Short connections to a server, again and again (run by the demo)
    #[command(hide = true)]
    Knock {
        /// The server
        server: SocketAddrV4,
        /// How long
        seconds: u64,
    },
    /// Nodes, engines and a client on this machine
    #[command(subcommand)]
    Lab(lab_cli::LabCommand),
}

/// Another story than the main job.
#[derive(clap::Args)]
#[group(multiple = false, conflicts_with_all = ["nodes", "keep"])]
struct ScenarioArg {
    /// The quick start on one host-like node instead
    #[arg(long)]
    quick_start: bool,
    /// What must be refused, on one host-like node, instead
    #[arg(long)]
    bad_input: bool,
    /// What every Swarm user tries, on four nodes, instead
    #[arg(long)]
    tutorial: bool,
    /// Bad wires, power cuts and engines that restart, on three nodes, instead
    #[arg(long)]
    failures: bool,
    /// Managers that are gone for good, and a backup, on four nodes, instead
    #[arg(long)]
    recovery: bool,
    /// Clients under faults of the managers, on three nodes, instead
    #[arg(long)]
    linearizability: bool,
    /// Clients under updates, rollbacks, scaling and a drain, on three nodes, instead
    #[arg(long)]
    updates: bool,
    /// Clients under canaries that are promoted and aborted, on three nodes, instead
    #[arg(long)]
    canary: bool,
}

impl ScenarioArg {
    fn chosen(&self) -> Option<demo::Scenario> {
        let flags = [
            (self.quick_start, demo::Scenario::QuickStart),
            (self.bad_input, demo::Scenario::BadInput),
            (self.tutorial, demo::Scenario::Tutorial),
            (self.failures, demo::Scenario::Failures),
            (self.recovery, demo::Scenario::Recovery),
            (self.linearizability, demo::Scenario::Linearizability),
            (self.updates, demo::Scenario::Updates),
            (self.canary, demo::Scenario::Canary),
        ];
        flags
            .into_iter()
            .find_map(|(given, scenario)| given.then_some(scenario))
    }
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
    /// What the control plane costs, and how it gets over failures
    Control {
        /// All when none is given
        parts: Vec<bench::control::Part>,
        /// Three rounds of each fault instead of twenty
        #[arg(long)]
        short: bool,
    },
    /// How fast services come up and are healed, beside the engine's own floor; what an idle daemon costs
    Services {
        /// Rounds of each; medians are printed
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
}

fn main() -> ExitCode {
    let outcome = match Xtask::parse() {
        Xtask::Setup => setup::setup(),
        Xtask::BuildEbpf => ebpf::build(),
        Xtask::Demo { nodes, keep, scenario } => match scenario.chosen() {
            Some(scenario) => demo::run_scenario(scenario),
            None => demo::run(nodes, keep),
        },
        Xtask::Test { tiers } => tiers::run(&tiers),
        Xtask::Bench(Bench::Datapath { programs_only }) => bench::datapath(programs_only),
        Xtask::Bench(Bench::Control { parts, short }) => bench::control::run(&parts, short),
        Xtask::Bench(Bench::Services { rounds }) => bench::services::run(rounds),
        Xtask::Check => check::run_all(),
        Xtask::Soak { minutes } => soak::run(minutes),
        Xtask::Fuzz { targets, seconds } => fuzz::run(&targets, seconds).map(drop),
        Xtask::OnePort {
            protocol,
            port,
            servers,
        } if protocol == "udp" => one_port::udp(port, &servers),
        Xtask::OnePort { port, servers, .. } => one_port::tcp(port, &servers),
        Xtask::Knock { server, seconds } => knock::run(server, seconds),
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
