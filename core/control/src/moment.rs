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

    /// From when on it has caught up.
    pub(crate) fn caught_up(self) -> Timestamp {
        self.led_since + CATCHING_UP
    }

    /// Whether what was heard at that time may have happened any time before.
    pub(crate) fn is_late(self, heard: Timestamp) -> bool {
        (self.led_since..=self.caught_up()).contains(&heard)
    }
}
