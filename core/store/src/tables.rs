//! What is stored: ordered persistent tables. Whatever is in here is in the snapshot; indexes are derived.

use std::net::IpAddr;

use model::{Cluster, Network, NetworkId, Node, NodeId, RequestId, Service, ServiceId, Task, TaskId};
use rpds::{QueueSync, RedBlackTreeMapSync};
use serde::{Deserialize, Serialize};

use crate::Refused;

/// The tables, keyed by id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tables {
    /// Index of the last applied entry.
    pub applied: u64,
    pub cluster: Option<Cluster>,
    pub nodes: RedBlackTreeMapSync<NodeId, Node>,
    pub services: RedBlackTreeMapSync<ServiceId, Service>,
    pub networks: RedBlackTreeMapSync<NetworkId, Network>,
    pub tasks: RedBlackTreeMapSync<TaskId, Task>,
    /// Address given last in each network: the next search starts behind it, so that a released address rests.
    pub cursors: RedBlackTreeMapSync<NetworkId, IpAddr>,
    /// Highest raft id that any node ever had.
    pub highest_raft_id: u64,
    /// Outcomes of the latest requests, and their order of arrival.
    pub outcomes: RedBlackTreeMapSync<RequestId, Outcome>,
    pub arrivals: QueueSync<RequestId>,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub refused: Option<Refused>,
}
