//! When and how ended tasks are replaced.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When an ended task is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestartCondition {
    /// Never.
    None,
    /// When it failed.
    OnFailure,
    /// Always.
    Any,
}

/// How ended tasks are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartPolicy {
    /// When.
    pub condition: RestartCondition,
    /// How long to wait before; 5 s by default, as Swarm.
    pub delay: Duration,
    /// How often within the window; 0: no limit.
    pub max_attempts: u32,
    /// Span in which attempts count; zero: for ever.
    pub window: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            condition: RestartCondition::Any,
            delay: Duration::from_secs(5),
            max_attempts: 0,
            window: Duration::ZERO,
        }
    }
}
