//! Many seeds, on all processors: each thread has a world of its own. Counts what was done; of seeds that fail says how,
//! and the shortest schedule found that fails too.

use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    schedule::{self, Step},
    shrink::shrink,
    world::{Report, play},
};

/// Failing seeds that are looked at more closely; the others are only named.
const EXPLAINED: usize = 3;

/// Managers of a seed's cluster: one, three or five, and now and then seven, which take their time.
pub fn managers(seed: u64) -> u64 {
    match seed % 31 {
        30 => 7,
        _ => [3, 1, 5, 3][(seed % 4) as usize],
    }
}

/// A seed that breaks something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which.
    pub seed: u64,
    /// What is wrong, and how the cluster was.
    pub why: String,
    /// The schedule that led to it.
    pub schedule: Vec<Step>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, why, schedule } = self;
        writeln!(f, "seed {seed}, {} managers: {why}", managers(*seed))?;
        writeln!(f, "  with {} steps:", schedule.len())?;
        for step in schedule {
            writeln!(f, "    {step}")?;
        }
        write!(f, "  run it alone: SIM_SEED={seed} cargo test -p sim one_seed")
    }
}

/// A panic anywhere in a run is a failure of it.
fn attempt(seed: u64, schedule: &[Step]) -> Result<Report, String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| play(seed, managers(seed), schedule)));
    outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("panicked: {}", text.unwrap_or_default()))
    })
}

/// Runs a seed.
pub fn run(seed: u64) -> Result<Report, Failure> {
    let schedule = schedule::of(seed);
    attempt(seed, &schedule).map_err(|why| Failure { seed, why, schedule })
}

/// The same failure, or another one of the same seed, with as few steps as possible.
pub fn shortest(failure: &Failure) -> Failure {
    let seed = failure.seed;
    let schedule = shrink(&failure.schedule, |steps| attempt(seed, steps).is_err());
    match attempt(seed, &schedule) {
        Err(why) => Failure { seed, why, schedule },
        Ok(_) => failure.clone(),
    }
}

/// What many runs did.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Runs that ended well.
    pub seeds: u64,
    /// The sum of their reports; no trace.
    pub sum: Report,
    /// How long it took.
    pub took: Duration,
    /// Seeds that failed, the first few with their shortest schedules.
    pub failures: Vec<Failure>,
}

impl Tally {
    fn add(&mut self, outcome: Result<Report, Failure>) {
        match outcome {
            Ok(report) => {
                self.seeds += 1;
                self.sum.entries += report.entries;
                self.sum.events += report.events;
                self.sum.span += report.span;
                self.sum.answered += report.answered;
                for (kind, count) in report.faults {
                    *self.sum.faults.entry(kind).or_default() += count;
                }
            }
            Err(failure) => self.failures.push(failure),
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = &self.sum;
        writeln!(
            f,
            "sim: {} seeds in {:.1} s, {} failed; {} events, {} virtual seconds, {} log entries, {} reads and writes",
            self.seeds + self.failures.len() as u64,
            self.took.as_secs_f64(),
            self.failures.len(),
            sum.events,
            sum.span.as_secs(),
            sum.entries,
            sum.answered,
        )?;
        let by_kind: BTreeMap<_, _> = sum.faults.iter().collect();
        let words: Vec<String> = by_kind.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        write!(f, "sim: {}", words.join(", "))
    }
}

/// Runs all `seeds`, or until `end`, and shortens what fails.
pub fn many(seeds: Range<u64>, end: Option<Instant>) -> Tally {
    let began = Instant::now();
    let (next, tally) = (AtomicU64::new(seeds.start), Mutex::new(Tally::default()));
    let work = || {
        while end.is_none_or(|end| Instant::now() < end) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let outcome = run(seed);
            tally.lock().unwrap_or_else(PoisonError::into_inner).add(outcome);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.took = began.elapsed();
    tally.failures.sort_by_key(|failure| failure.seed);
    for failure in tally.failures.iter_mut().take(EXPLAINED) {
        *failure = shortest(failure);
    }
    tally
}
