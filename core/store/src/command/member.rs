//! Steps of nodes into and out of raft.

use model::{NodeId, Timestamp};
use serde::{Deserialize, Serialize};

/// One step of a node into or out of raft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberChange {
    /// Which node.
    pub node: NodeId,
    /// Its raft id; a new one for [`MemberStep::Learn`].
    pub raft_id: u64,
    /// When.
    pub at: Timestamp,
    /// Which way.
    pub step: MemberStep,
}

/// The steps, in the order in which a manager takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberStep {
    /// It gets a raft id and the log, and has no vote.
    Learn,
    /// It votes from now on.
    Vote,
    /// It is no member any more; its raft id is gone for good.
    Leave,
}
