//! What there is to be told of one network: one place for all, since a session passes all networks of its node each time.

use model::{ServiceId, TaskId};

use super::super::topic::Topic;

/// See the module.
#[derive(Clone, Debug)]
pub(in super::super) struct Room<E> {
    /// Endpoints in it.
    pub endpoints: Topic<TaskId, E>,
    /// Services that are attached to it.
    pub services: Topic<ServiceId>,
    /// Sum of the digests of those of the endpoints that all nodes are told.
    pub published: u64,
}

impl<E> Room<E> {
    /// Nothing yet; see [`Topic::starting`].
    pub fn starting(floor: u64) -> Self {
        Self {
            endpoints: Topic::starting(floor),
            services: Topic::starting(floor),
            published: 0,
        }
    }

    /// Whether all changes after index `since` are known.
    pub fn knows(&self, since: u64) -> bool {
        self.endpoints.knows(since) && self.services.knows(since)
    }

    /// Sum of the digests of those endpoints that only nodes in the network are told.
    pub fn inner_sum(&self) -> u64 {
        self.endpoints.sum().wrapping_sub(self.published)
    }
}
