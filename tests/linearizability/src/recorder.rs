//! The one record of a run: operations by key, the clock, and the marks that
//! wait for a write.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use linearizability::history::{Event, Operation};

/// See the module. Locks are held for a push only.
pub struct Recorder {
    start: Instant,
    kept: Mutex<Kept>,
    answered: AtomicUsize,
    closed: AtomicBool,
}

#[derive(Default)]
struct Kept {
    operations: Vec<(u32, Operation)>,
    marks: Vec<(String, u64)>,
}

impl Recorder {
    /// An empty record; its clock starts now.
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            kept: Mutex::default(),
            answered: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// Nanoseconds since the start.
    pub fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Keeps an operation on `key`; tells those who wait for a write that succeeds.
    pub fn keep(&self, key: u32, operation: Operation) {
        if operation.back().is_some() {
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
        let mut kept = self.kept();
        if let Event::Written { back, .. } = operation.event {
            kept.marks.retain(|(name, at)| {
                let waits = operation.call < *at;
                if !waits {
                    println!("gap {name} {}", back.saturating_sub(*at) / 1_000_000);
                }
                waits
            });
        }
        kept.operations.push((key, operation));
    }

    /// From now on looks for the first write that is called after this and succeeds; prints `gap NAME MILLISECONDS`.
    pub fn mark(&self, name: &str) {
        let now = self.now();
        self.kept().marks.push((name.to_owned(), now));
    }

    /// Number of operations with an answer.
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// Asks the clients to end.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// True after [`Self::close`].
    pub fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// All that was kept, with the keys.
    pub fn operations(&self) -> Vec<(u32, Operation)> {
        self.kept().operations.clone()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
