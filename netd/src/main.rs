//! The netctl daemon, one per node: answers `netctl` on a unix socket, runs the node's agent and, while the node's role
//! says so, the manager. It keeps no state but where the node is (`state`); manager and agent keep theirs.
//!
//! On SIGTERM it ends and leaves containers and datapath running, as it does when it is killed.

mod advertise;
mod assembly;
mod config;
mod gate;
mod local;
mod node;
mod parts;
mod preflight;
mod refusal;
mod relocate;
mod serve;
mod socket;
mod state;

use std::{io::IsTerminal, process::ExitCode};

use nix::sys::{
    prctl,
    resource::{Resource, setrlimit},
    signal::SigSet,
};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    // Whoever started us may have blocked signals for its own purposes; threads inherit the mask, so before any begins.
    let _ = SigSet::empty().thread_set_mask();
    if let Err(error) = keep_memory_private() {
        eprintln!("netd: core dumps may show secrets: {error}");
    }
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("netd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Keys and secrets are in memory: no core dump, nor anybody of the same user, gets to see it. The limit says so to whoever
/// looks, and holds should anything make the process dumpable again.
fn keep_memory_private() -> nix::Result<()> {
    prctl::set_dumpable(false).and(setrlimit(Resource::RLIMIT_CORE, 0, 0))
}

fn run() -> anyhow::Result<()> {
    let config = config::Config::load()?;
    tokio::runtime::Runtime::new()?.block_on(serve::run(config))
}

#[cfg(test)]
mod tests {
    use nix::sys::resource::getrlimit;

    use super::*;

    #[test]
    fn nothing_of_the_memory_gets_into_a_core_dump() {
        keep_memory_private().unwrap();
        assert_eq!(getrlimit(Resource::RLIMIT_CORE), Ok((0, 0)));
        assert_eq!(prctl::get_dumpable(), Ok(false));
    }
}
