//! `control-bench`: how fast the control plane is. Prints `name value unit` lines; `cargo xtask bench control` builds,
//! runs and files them. Each part stands alone, so that one can be repeated while it is being worked on.

mod figure;
mod passes;

use std::process::ExitCode;

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
}

fn main() -> ExitCode {
    let outcome = match Part::parse() {
        Part::Passes { only } => passes::measure(&only),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("control-bench: {why:#}");
            ExitCode::FAILURE
        }
    }
}
