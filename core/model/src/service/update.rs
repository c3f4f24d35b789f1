//! How tasks are replaced when a service's spec changes, and how far that is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Invalid, Timestamp};

/// What an update does when too many of its new tasks fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureAction {
    /// It stops where it is.
    Pause,
    /// It goes on.
    Continue,
    /// The spec before it comes back. Not for rollbacks.
    Rollback,
}

/// Which of the two tasks of a slot comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateOrder {
    /// The old one stops, then the new one starts.
    StopFirst,
    /// The new one runs and takes traffic, then the old one stops.
    StartFirst,
}

/// A share in parts of a million: what a decimal number between 0 and 1 is written as, so that it compares exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ratio(u32);

impl Ratio {
    /// All of it, in parts of a million.
    pub const WHOLE: u32 = 1_000_000;

    /// A share of at most [`Self::WHOLE`] parts of a million.
    ///
    /// # Errors
    /// [`Invalid::Ratio`] above that.
    pub fn new(parts_per_million: u32) -> Result<Self, Invalid> {
        if parts_per_million <= Self::WHOLE {
            Ok(Self(parts_per_million))
        } else {
            Err(Invalid::Ratio(parts_per_million))
        }
    }

    /// In parts of a million.
    pub const fn parts_per_million(self) -> u32 {
        self.0
    }

    /// Whether `part` of `whole` is more than this share.
    pub fn is_exceeded_by(self, part: u64, whole: u64) -> bool {
        u128::from(part) * u128::from(Self::WHOLE) > u128::from(whole) * u128::from(self.0)
    }
}

/// How an update, or a rollback, replaces tasks. Defaults are Swarm's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdatePolicy {
    /// How many slots at a time; 0: all at once.
    pub parallelism: u32,
    /// Pause between two slots.
    pub delay: Duration,
    /// What follows when more than `max_failure_ratio` of the new tasks failed.
    pub failure_action: FailureAction,
    /// How long after its start a new task's failure counts against the update.
    pub monitor: Duration,
    /// Share of failed new tasks that is put up with.
    pub max_failure_ratio: Ratio,
    /// Which task of a slot comes first.
    pub order: UpdateOrder,
}

impl Default for UpdatePolicy {
    fn default() -> Self {
        Self {
            parallelism: 1,
            delay: Duration::ZERO,
            failure_action: FailureAction::Pause,
            monitor: Duration::from_secs(5),
            max_failure_ratio: Ratio::default(),
            order: UpdateOrder::StopFirst,
        }
    }
}

/// How far an update or a rollback is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateState {
    /// Tasks are being replaced.
    Updating,
    /// Stopped by failures, until the spec changes again.
    Paused,
    /// All tasks are of the new spec.
    Completed,
    /// Tasks are being replaced by such of the previous spec.
    RollbackStarted,
    /// As `Paused`, on the way back.
    RollbackPaused,
    /// All tasks are of the previous spec.
    RollbackCompleted,
    /// A part of the tasks are of the new spec, until it is promoted or aborted.
    Canary,
}

impl UpdateState {
    /// The word that `service inspect` shows, as docker's.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Updating => "updating",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::RollbackStarted => "rollback_started",
            Self::RollbackPaused => "rollback_paused",
            Self::RollbackCompleted => "rollback_completed",
            Self::Canary => "canary",
        }
    }

    /// Whether tasks are still being made.
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::Updating | Self::RollbackStarted | Self::Canary)
    }

    /// Whether it has stopped half-way, until the spec changes again.
    pub const fn is_paused(self) -> bool {
        matches!(self, Self::Paused | Self::RollbackPaused)
    }

    /// Whether the way leads back to the previous spec.
    pub const fn is_rollback(self) -> bool {
        matches!(
            self,
            Self::RollbackStarted | Self::RollbackPaused | Self::RollbackCompleted
        )
    }
}

impl UpdateStatus {
    /// An update that begins.
    pub fn begun(at: Timestamp) -> Self {
        Self {
            state: UpdateState::Updating,
            started_at: at,
            completed_at: None,
            message: "update in progress".to_owned(),
        }
    }

    /// An update of which only a share of the tasks begins.
    pub fn canary(at: Timestamp, share: Ratio) -> Self {
        Self {
            state: UpdateState::Canary,
            message: format!("canary of {share} in progress"),
            ..Self::begun(at)
        }
    }

    /// The same update, complete.
    pub fn completed(&self, at: Timestamp) -> Self {
        let (state, message) = if self.state.is_rollback() {
            (UpdateState::RollbackCompleted, "rollback completed")
        } else {
            (UpdateState::Completed, "update completed")
        };
        Self {
            state,
            started_at: self.started_at,
            completed_at: Some(at),
            message: message.to_owned(),
        }
    }

    /// The same update, stopped; `why` follows the word "paused".
    pub fn paused(&self, why: &str) -> Self {
        let (state, what) = if self.state.is_rollback() {
            (UpdateState::RollbackPaused, "rollback")
        } else if self.state == UpdateState::Canary {
            (UpdateState::Paused, "canary")
        } else {
            (UpdateState::Paused, "update")
        };
        Self {
            state,
            started_at: self.started_at,
            completed_at: None,
            message: format!("{what} paused {why}"),
        }
    }
}

/// The latest update of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateStatus {
    /// How far.
    pub state: UpdateState,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; `None` while it has not.
    pub completed_at: Option<Timestamp>,
    /// What happened, in Swarm's words.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_compared_exactly() {
        let third = Ratio::new(333_333).unwrap();
        assert!(third.is_exceeded_by(1, 3));
        assert!(!Ratio::new(333_334).unwrap().is_exceeded_by(1, 3));
        assert!(Ratio::default().is_exceeded_by(1, 100));
        assert!(!Ratio::default().is_exceeded_by(0, 100));
        assert!(!Ratio::new(Ratio::WHOLE).unwrap().is_exceeded_by(5, 5));
        assert_eq!(Ratio::new(Ratio::WHOLE + 1), Err(Invalid::Ratio(Ratio::WHOLE + 1)));
    }
}
