//! Many short histories. A seed that breaks something prints itself; `SIM_SEED=<seed> cargo test -p sim one_seed` runs
//! it alone, `SIM_SEED=<first>..<last>` a range.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Seeds of odd thousands have three managers, the others one.
fn managers(seed: u64) -> u64 {
    if seed / 1000 % 2 == 1 { 3 } else { 1 }
}

/// Runs a seed; a panic anywhere in it is a failure of that seed.
fn run(seed: u64) -> Result<sim::Report, String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| sim::run(seed, managers(seed))));
    outcome
        .unwrap_or_else(|_| Err("panicked".to_owned()))
        .map_err(|why| format!("seed {seed}: {why}\n  run it alone: SIM_SEED={seed} cargo test -p sim one_seed"))
}

fn all(seeds: std::ops::Range<u64>) {
    let failures: Vec<String> = seeds.filter_map(|seed| run(seed).err()).collect();
    assert!(
        failures.is_empty(),
        "{} seeds fail:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn clusters_converge_for_seeds_1_to_50() {
    all(1..51);
}

#[test]
fn clusters_converge_for_seeds_51_to_100() {
    all(51..101);
}

#[test]
fn clusters_converge_for_seeds_101_to_150() {
    all(101..151);
}

#[test]
fn clusters_converge_for_seeds_151_to_200() {
    all(151..201);
}

#[test]
fn three_managers_converge_for_seeds_1001_to_1030() {
    all(1001..1031);
}

#[test]
fn three_managers_converge_for_seeds_1031_to_1060() {
    all(1031..1061);
}

/// Whether a snapshot that was lost on its way is sent again.
#[test]
fn a_follower_that_lost_its_snapshot_catches_up() {
    all(1355..1356);
}

#[test]
fn the_same_seed_is_the_same_history() {
    for seed in [3, 77, 1003] {
        assert_eq!(run(seed), run(seed));
    }
    assert_ne!(run(3).map(|report| report.trace), run(77).map(|report| report.trace));
}

#[test]
fn one_seed() {
    let text = std::env::var("SIM_SEED").unwrap_or_else(|_| "0".to_owned());
    let (first, last) = text.split_once("..").unwrap_or((&text, &text));
    let parse = |text: &str| text.parse::<u64>().expect("SIM_SEED is a seed, or FIRST..LAST");
    all(parse(first)..parse(last) + 1);
}
