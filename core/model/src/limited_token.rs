//! Join tokens beside the cluster's two: valid for a time, for a number of nodes, or both.

use serde::{Deserialize, Serialize};

use crate::{Role, Timestamp};

/// What the managers keep of such a token. Its text is told once and kept nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitedToken {
    /// SHA-256 of its whole text, hex. The text has 128 random bits, so that its hash gives nothing away.
    pub hash: String,
    /// What it makes of a node.
    pub role: Role,
    /// From when on it admits nobody; `None`: no limit.
    pub expires_at: Option<Timestamp>,
    /// How many nodes it still admits; `None`: no limit.
    pub uses_left: Option<u32>,
    /// When it admitted the last one; `None` while it may admit more.
    pub spent_at: Option<Timestamp>,
}

impl LimitedToken {
    /// Since when it has admitted nobody any more; `None` if it admits at `now`.
    pub fn ended_at(&self, now: Timestamp) -> Option<Timestamp> {
        let expired = self.expires_at.filter(|at| *at <= now);
        match (self.spent_at, expired) {
            (Some(spent), Some(expired)) => Some(spent.min(expired)),
            (spent, expired) => spent.or(expired),
        }
    }
}
