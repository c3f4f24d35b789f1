//! Clients that write and read registers through the daemons of a lab, and the
//! verdict on what they saw.
//!
//! Takes orders on standard input, one a line: `mark NAME` asks how long it took
//! from now until a write succeeded, `end` for the verdict. Prints `name value`
//! lines. Ends with another code than 0 when the history is not linearizable, or
//! the rate before the first order too low to prove anything.

mod answer;
mod client;
mod orders;
mod recorder;
mod registers;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;

use recorder::Recorder;

/// The clients' command line.
#[derive(Parser)]
struct Args {
    /// Sockets of the daemons of all managers
    #[arg(required = true)]
    sockets: Vec<PathBuf>,
    /// Number of clients
    #[arg(long, default_value_t = 8)]
    clients: u32,
    /// Number of registers
    #[arg(long, default_value_t = 50)]
    keys: u32,
    /// Milliseconds a client waits between two calls
    #[arg(long, default_value_t = 10)]
    pause: u64,
    /// Seconds before the faults
    #[arg(long, default_value_t = 5)]
    warm_up: u64,
    /// Answered operations a second below which a run proves nothing
    #[arg(long)]
    minimum_rate: f64,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("linearizability: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<()> {
    let first = args.sockets.first().context("no socket")?;
    let initial = registers::create(first, args.keys).await?;
    let recorder = Arc::new(Recorder::new());
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..args.clients {
        let client = client::Client::new(number, &args.sockets, &initial, Duration::from_millis(args.pause))?;
        clients.spawn(client.run(recorder.clone()));
    }
    tokio::time::sleep(Duration::from_secs(args.warm_up)).await;
    let rate = recorder.answered() as f64 / args.warm_up as f64;
    println!("rate {rate:.1}");
    if rate < args.minimum_rate {
        bail!(
            "{rate:.1} answered operations a second before the faults, {} are wanted: such a run proves nothing",
            args.minimum_rate
        );
    }
    orders::follow(&recorder).await?;
    recorder.close();
    while let Some(joined) = clients.join_next().await {
        joined.context("a client panicked")?;
    }
    verdict::judge(&initial, &recorder.operations())
}
