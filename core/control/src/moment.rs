//! When something is decided: what a leader cannot know yet is part of it.

use std::time::Duration;

use model::Timestamp;

/// After so long a leader has heard of all nodes that can be heard what they had to tell while there was none.
const CATCHING_UP: Duration = Duration::from_secs(5);

/// The time of a decision, by the clock of the leader that takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Now.
    pub now: Timestamp,
    /// Since when it leads.
    pub led_since: Timestamp,
}

impl Moment {
    /// Of one that has led for ever, or decides in its place.
    pub fn settled(now: Timestamp) -> Self {
        Self {
            now,
            led_since: Timestamp(i64::MIN),
        }
    }

    /// When something that was noted at that time happened, by this leader's clock. A time that has not come yet is of a
    /// clock that was ahead: what counts from then would be waited for until this clock is there. It happened when this
    /// leader began, at the latest.
    pub(crate) fn noted(self, at: Timestamp) -> Timestamp {
        if at > self.now { at.min(self.led_since) } else { at }
    }

    /// From when on it has caught up.
    pub(crate) fn caught_up(self) -> Timestamp {
        self.led_since + CATCHING_UP
    }

    /// Whether what was heard at that time may have happened any time before.
    pub(crate) fn is_late(self, heard: Timestamp) -> bool {
        (self.led_since..=self.caught_up()).contains(&heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_by_a_clock_that_was_ahead_happened_when_the_leader_began() {
        let moment = Moment {
            now: Timestamp(20),
            led_since: Timestamp(10),
        };
        for (at, happened) in [(5, 5), (15, 15), (20, 20), (21, 10), (3_600_000_000_000, 10)] {
            assert_eq!(moment.noted(Timestamp(at)), Timestamp(happened));
        }
    }
}
