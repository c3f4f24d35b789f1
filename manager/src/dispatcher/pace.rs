//! How far apart the updates of one node are; what changes meanwhile goes into one.
//!
//! Telling all nodes takes a bounded share of the manager's time: what an update takes is measured, and the pause grows
//! with it and with the number of nodes. By the clock and not by the processor's time, so that a machine with too much to
//! do has less to do. What takes traffic from an endpoint waits for a bounded time only, whatever telling costs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// Of the time of one core, making updates takes this part at most; sending them takes two to three times as much.
const PART: u64 = 8;
const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(1);
/// The longest of those that are urgent.
const URGENT: Duration = Duration::from_millis(300);
/// The last so many updates say what one takes.
const REMEMBERED: u64 = 64;

/// When a node that has just been told something may be told more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// Whatever it is.
    pub any: Instant,
    /// That traffic is taken from an endpoint.
    pub urgent: Instant,
}

impl Turn {
    pub fn now() -> Self {
        let now = Instant::now();
        Self { any: now, urgent: now }
    }
}

/// A handle; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Pace {
    /// What an update takes, ns: a sliding mean.
    mean: Arc<AtomicU64>,
}

impl Pace {
    /// An update took this long to make.
    pub fn took(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let mean = self.mean.load(Ordering::Relaxed);
        // Two at the same time may lose one of them: it is a mean.
        let moved = mean - mean / REMEMBERED + nanos / REMEMBERED;
        self.mean.store(moved, Ordering::Relaxed);
    }

    /// The turn of a node among so many, from now on.
    pub fn turn(&self, nodes: usize) -> Turn {
        let now = Instant::now();
        let pause = self.pause(nodes);
        Turn {
            any: now + pause,
            urgent: now + pause.min(URGENT),
        }
    }

    fn pause(&self, nodes: usize) -> Duration {
        let round = self.mean.load(Ordering::Relaxed).saturating_mul(nodes as u64);
        Duration::from_nanos(round.saturating_mul(PART)).clamp(SHORTEST, LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_with_what_telling_all_nodes_takes() {
        let pace = Pace::default();
        assert_eq!(pace.pause(1000), SHORTEST);
        (0..1000).for_each(|_| pace.took(Duration::from_micros(20)));
        let pause = pace.pause(1000).as_millis();
        assert!((150..=160).contains(&pause), "an eighth of the time: {pause}");
        assert_eq!((pace.pause(3), pace.pause(100_000)), (SHORTEST, LONGEST));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_urgent_waits_for_a_bounded_time() {
        let pace = Pace::default();
        (0..1000).for_each(|_| pace.took(Duration::from_millis(5)));
        let (now, turn) = (Turn::now(), pace.turn(1000));
        assert_eq!((turn.any - now.any, turn.urgent - now.urgent), (LONGEST, URGENT));
        let few = pace.turn(1);
        assert_eq!(few.any, few.urgent);
    }
}
