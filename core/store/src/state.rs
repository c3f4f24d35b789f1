//! The state of the cluster and how it is read. Written by `apply/` only.

mod networks;
mod nodes;
mod payloads;
mod services;
mod tasks;
mod write;

use model::{Cluster, RequestId, RootRotation};

use crate::{Refused, index::Indexes, shared::Shared, tables::Tables};

/// How many of the latest requests are remembered, so that a retry changes nothing.
pub const REMEMBERED_REQUESTS: usize = 4096;

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
}
