//! `netctl`, the command line: what was typed (`args`) becomes what it means (`request`), goes to the daemon
//! (`client`), and the answer is printed (`render`). It keeps no state and decides nothing about the cluster.
//!
//! Words, columns and messages are docker's. Exit codes: 0 done, 1 refused or failed, 2 not understood.

mod args;
mod client;
mod command;
mod failure;
mod render;
mod request;
mod stack;
mod terminal;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = match args::parse(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    match command::run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal::complain(&failure.to_string());
            ExitCode::FAILURE
        }
    }
}
