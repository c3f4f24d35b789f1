//! `cargo xtask soak`: everything that looks for rare failures, round after
//! round until the time is up: simulated histories, power cuts of the log at
//! every byte, fuzzing, and clients under faults in a lab of five managers.
//!
//! Prints one line a round and counts at the end. A part that fails does not
//! keep the others from running.

use crate::demo::cluster::Cluster;
use crate::demo::{failures, join, linearizability};
use crate::lab::layout::Node;
use crate::lab::state::Flavour;
use crate::process::{command, output};
use crate::{binaries, fuzz, interrupt, lab, repo, setup};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

/// Seconds of simulation in a round.
const SIMULATION: u64 = 150;
/// Arbitrary cuts of the log in a round.
const CUTS: u64 = 10_000;
/// Seconds of each fuzz target in a round.
const FUZZING: u32 = 10;
/// Nodes of the lab, all of them managers.
const MANAGERS: u8 = 5;
/// How often each fault strikes in a round.
const FAULT_ROUNDS: usize = 2;
/// How long wires lose packets in a round.
const LOSS: Duration = Duration::from_secs(60);

/// What was done, by name.
type Counts = BTreeMap<&'static str, u64>;
/// A part of a round: its name and what it does.
type Part = (&'static str, fn() -> Result<Counts>);

const PARTS: [Part; 4] = [
    ("sim", simulation),
    ("cuts", cuts),
    ("fuzz", fuzzing),
    ("lab", clients_under_faults),
];

/// Soaks until `minutes` have passed; the last round is finished.
///
/// # Errors
/// Names the parts that failed.
pub fn run(minutes: u64) -> Result<()> {
    setup::setup()?;
    binaries::build_daemons()?;
    interrupt::take_lab_down()?;
    let end = Instant::now() + Duration::from_secs(minutes * 60);
    let (mut totals, mut failed, mut round) = (Counts::new(), Vec::new(), 0);
    while round == 0 || Instant::now() < end {
        round += 1;
        let start = Instant::now();
        let mut words = Vec::new();
        for (name, part) in PARTS {
            match part() {
                Ok(counts) => words.push(add(&mut totals, counts)),
                Err(error) => {
                    eprintln!("soak: round {round}, {name}: {error:#}");
                    words.push(format!("{name} FAILED"));
                    failed.push(format!("{name} in round {round}"));
                }
            }
        }
        println!(
            "soak: round {round}: {} ({} s)",
            words.join(", "),
            start.elapsed().as_secs()
        );
    }
    let words: Vec<String> = totals.iter().map(|(name, count)| format!("{count} {name}")).collect();
    println!(
        "soak: {round} rounds: {}, {} parts failed",
        words.join(", "),
        failed.len()
    );
    match failed.as_slice() {
        [] => Ok(()),
        failed => bail!("failed: {}", failed.join(", ")),
    }
}

/// Adds a part's counts to the totals; returns them in words.
fn add(totals: &mut Counts, counts: Counts) -> String {
    let words: Vec<String> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    for (name, count) in counts {
        *totals.entry(name).or_default() += count;
    }
    words.join(", ")
}

/// `cargo test` in release form with a variable set; returns what it prints.
fn cargo_tests(words: &[&str], variables: &[(&str, String)]) -> Result<String> {
    let mut cargo = command("cargo", &["test", "--quiet", "--release"]);
    cargo.args(words).args(["--", "--nocapture"]);
    cargo.envs(variables.iter().map(|(name, value)| (name, value)));
    output(cargo.current_dir(repo::root()))
}

/// The number before `word` in the first line that has both.
fn number_before(text: &str, word: &str) -> Option<u64> {
    let mut pairs = text.lines().flat_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words
            .windows(2)
            .map(|pair| (pair[0].to_owned(), pair[1].to_owned()))
            .collect::<Vec<_>>()
    });
    pairs.find_map(|(number, after)| (after.trim_end_matches([',', ';']) == word).then(|| number.parse().ok())?)
}

/// Seconds since 1970: what makes seeds of it has seeds that no round had before.
fn now() -> Result<u64> {
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs())
}

fn simulation() -> Result<Counts> {
    let variables = [
        ("SIM_SECONDS", SIMULATION.to_string()),
        ("SIM_FROM", (now()? * 1000).to_string()),
    ];
    let text = cargo_tests(&["-p", "sim", "many_seeds"], &variables)?;
    let seeds = number_before(&text, "seeds").with_context(|| format!("the simulation printed no count: {text}"))?;
    Ok(Counts::from([("seeds", seeds)]))
}

fn cuts() -> Result<Counts> {
    let variables = [
        ("NETCTL_CUTS", CUTS.to_string()),
        ("NETCTL_CUT_SEED", now()?.to_string()),
    ];
    cut_counts(&cargo_tests(&["-p", "manager", "--lib", "power_cut"], &variables)?)
}

/// What the tests of cuts say that they cut.
fn cut_counts(text: &str) -> Result<Counts> {
    let count = |word| number_before(text, word).with_context(|| format!("the tests of cuts printed no count: {text}"));
    Ok(Counts::from([
        ("cuts", count("arbitrary")?),
        ("cuts at bytes", count("bytewise")?),
    ]))
}

fn fuzzing() -> Result<Counts> {
    Ok(Counts::from([("fuzz inputs", fuzz::run(&[], FUZZING)?)]))
}

fn clients_under_faults() -> Result<Counts> {
    let cluster = Cluster {
        record: lab::up(MANAGERS, Flavour::Bare)?,
    };
    let counts = in_lab(&cluster);
    lab::down()?;
    counts
}

fn in_lab(cluster: &Cluster) -> Result<Counts> {
    let managers: Vec<Node> = cluster.nodes().collect();
    join::form_with_managers(cluster, &managers[1..])?;
    failures::loss::stay_ready(cluster, LOSS)?;
    let outcome = linearizability::run(cluster, &managers, FAULT_ROUNDS)?;
    let operations = outcome.counts.get("operations").and_then(|count| count.parse().ok());
    Ok(Counts::from([
        ("operations", operations.context("the clients printed no count")?),
        ("faults", outcome.faults as u64),
        ("seconds of loss", LOSS.as_secs()),
    ]))
}

#[cfg(test)]
mod tests {
    use super::{cut_counts, number_before};

    #[test]
    fn counts_are_read_from_what_tests_print() {
        let text = "running 1 test\nsim: 812 seeds in 60.2 s, 0 failed; 1 events\ntest result: ok. 3 passed; 0 failed";
        assert_eq!(number_before(text, "seeds"), Some(812));
        assert_eq!(number_before(text, "passed"), Some(3));
        assert_eq!(number_before(text, "virtual"), None);
    }

    #[test]
    fn cuts_are_counted_as_the_tests_say() {
        let arbitrary = "..power cuts: 9000 arbitrary, with lost and torn pages\n";
        let bytewise = ".power cuts: 4321 bytewise, of the last 3 of 60 transactions\n";
        let counts = cut_counts(&format!("{arbitrary}{bytewise}")).unwrap();
        assert_eq!(
            counts.into_iter().collect::<Vec<_>>(),
            [("cuts", 9000), ("cuts at bytes", 4321)]
        );
        assert!(cut_counts(arbitrary).is_err(), "no byte was cut at");
    }
}
