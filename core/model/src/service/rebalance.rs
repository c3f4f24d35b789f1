//! Evening out where the tasks of a service are, when an operator asks for it.

use serde::{Deserialize, Serialize};

/// How far that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebalance {
    /// How many tasks move at a time, at least 1.
    pub budget: u32,
    /// How many are still to be moved at most.
    pub left: u32,
    /// How many tasks there are beyond the replicas: with start-first new ones run before others stop.
    pub extra: u32,
}
