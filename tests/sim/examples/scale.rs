//! `cargo run --release -p sim --example scale -- NODES TASKS`: what a large cluster costs, as lines `name value unit`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).map(|word| word.parse::<u32>());
    let (Some(Ok(nodes)), Some(Ok(tasks))) = (words.next(), words.next()) else {
        eprintln!("usage: scale NODES TASKS");
        return ExitCode::from(2);
    };
    match sim::scale::scale(nodes, tasks) {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("scale: {why}");
            ExitCode::FAILURE
        }
    }
}
