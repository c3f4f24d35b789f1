//! The state of the cluster and how it is read. Written by `apply/` only.

mod networks;
mod nodes;
mod payloads;
mod services;
mod tasks;
mod write;

use model::{Cluster, RequestId, RootRotation};

use crate::{Refused, index::Indexes, shared::Shared, tables::Tables};

/// How many of the latest requests are remembered, so that a retry changes nothing. More than a busy cluster takes in
/// while a manager repeats one of its own; what comes later still is refused, see [`State::apply_repeated`].
pub const REMEMBERED_REQUESTS: usize = 16_384;

/// Everything that the managers agree on. Cloning copies two pointers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub(crate) tables: Shared<Tables>,
    pub(crate) indexes: Shared<Indexes>,
}

/// A read snapshot: a clone of the state as it was at one index.
pub type View = State;

impl State {
    /// Index of the last entry applied; 0 before the first.
    pub fn applied(&self) -> u64 {
        self.tables.applied
    }

    /// The cluster, once it has been made.
    pub fn cluster(&self) -> Option<&Cluster> {
        self.tables.cluster.as_deref()
    }

    /// The root that is to replace the cluster's, while it does.
    pub fn root_rotation(&self) -> Option<&RootRotation> {
        self.tables.rotation.as_deref()
    }

    /// How a request that was applied before ended; `None`: not seen, or too long ago.
    pub fn outcome(&self, request: RequestId) -> Option<Result<(), Refused>> {
        let outcome = self.tables.outcomes.get(&request)?;
        Some(outcome.refused.as_deref().cloned().map_or(Ok(()), Err))
    }

    /// The index at which a request was applied, as long as its outcome is remembered.
    pub fn index_of(&self, request: RequestId) -> Option<u64> {
        self.tables.outcomes.get(&request).map(|outcome| outcome.at)
    }
}
