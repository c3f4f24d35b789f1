//! Many short histories. `cargo test -p sim` runs a thousand; `SIM_SEEDS=N SIM_FROM=S` other ones, `SIM_SECONDS=T` as
//! many as fit. A seed that breaks something prints itself and its shortest schedule; `SIM_SEED=N cargo test -p sim
//! one_seed` runs it alone.

use std::{
    io::Write as _,
    str::FromStr,
    time::{Duration, Instant},
};

use sim::campaign::{many, shortest};

fn from_env<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

#[test]
fn clusters_converge_for_many_seeds() {
    let first = from_env("SIM_FROM").unwrap_or(1_u64);
    let seconds = from_env("SIM_SECONDS").map(Duration::from_secs);
    let count = from_env("SIM_SEEDS").unwrap_or(if seconds.is_some() { u64::MAX - first } else { 1_000 });
    let tally = many(first..first + count, seconds.map(|span| Instant::now() + span));
    // Not by `println!`, which the test harness keeps to itself.
    let _ = writeln!(std::io::stdout(), "{tally}");
    let words: Vec<String> = tally.failures.iter().map(ToString::to_string).collect();
    assert!(words.is_empty(), "{} seeds fail:\n{}", words.len(), words.join("\n"));
    assert!(seconds.is_some() || tally.seeds == count);
}

#[test]
fn the_same_seed_is_the_same_history() {
    // The last one programs kernels.
    for seed in (1..9).chain([25]) {
        assert_eq!(sim::run(seed), sim::run(seed));
    }
    assert_ne!(
        sim::run(3).map(|report| report.trace),
        sim::run(7).map(|report| report.trace)
    );
}

#[test]
fn one_seed() {
    let seed = from_env("SIM_SEED").unwrap_or(1_u64);
    if let Err(failure) = sim::run(seed) {
        panic!("{}", shortest(&failure));
    }
}
