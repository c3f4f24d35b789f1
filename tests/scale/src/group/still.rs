//! How long a number has stayed as it is: what waits for an end needs it, and what gives up.

use std::time::{Duration, Instant};

/// See the module.
pub struct Still {
    number: u64,
    since: Instant,
}

impl Still {
    /// Seen now.
    pub fn at(number: u64, now: Instant) -> Self {
        Self { number, since: now }
    }

    /// Looks again; for how long it has not changed.
    pub fn look(&mut self, number: u64, now: Instant) -> Duration {
        if number != self.number {
            *self = Self::at(number, now);
        }
        now.duration_since(self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_begins_anew() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut still = Still::at(7, start);
        assert_eq!(still.look(7, after(3)), Duration::from_secs(3));
        assert_eq!(still.look(8, after(4)), Duration::ZERO);
        assert_eq!(still.look(8, after(9)), Duration::from_secs(5));
    }
}
