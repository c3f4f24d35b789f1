//! What is stored: ordered persistent tables. Whatever is in here is in the snapshot; indexes are derived.
//!
//! The maps are persistent B-trees (crate `imbl`): clones share everything but the nodes that change afterwards. A node
//! that changes while it is shared is copied with its entries, so entries are pointers.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use imbl::{OrdMap, Vector};
use model::{
    Cluster, ContainerSpec, LimitedToken, Network, NetworkId, Node, NodeId, NodeTrust, Payload, PayloadId, RequestId,
    RootRotation, Service, ServiceId, Task, TaskId,
};
use serde::{Deserialize, Serialize};

use crate::{Refused, reading, rest::Resting};

/// The tables, keyed by id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tables {
    /// Index of the last applied entry.
    pub applied: u64,
    pub cluster: Option<Arc<Cluster>>,
    /// The root that is to replace the cluster's, while it does.
    #[serde(default)]
    pub rotation: Option<Arc<RootRotation>>,
    /// What the nodes have of the cluster's authority, as they say.
    #[serde(default, deserialize_with = "reading::map")]
    pub trust: OrdMap<NodeId, Arc<NodeTrust>>,
    /// Join tokens with limits, by hash.
    #[serde(default, deserialize_with = "reading::map")]
    pub tokens: OrdMap<String, Arc<LimitedToken>>,
    #[serde(deserialize_with = "reading::map")]
    pub nodes: OrdMap<NodeId, Arc<Node>>,
    #[serde(deserialize_with = "reading::map")]
    pub services: OrdMap<ServiceId, Arc<Service>>,
    #[serde(deserialize_with = "reading::map")]
    pub networks: OrdMap<NetworkId, Arc<Network>>,
    #[serde(deserialize_with = "reading::map")]
    pub tasks: OrdMap<TaskId, Arc<Task>>,
    /// Secrets and configs, the superseded ones too.
    #[serde(default, deserialize_with = "reading::map")]
    pub payloads: OrdMap<PayloadId, Arc<Payload>>,
    /// Address given last in each network: the next search starts behind it, so that a released address rests.
    #[serde(deserialize_with = "reading::map")]
    pub cursors: OrdMap<NetworkId, IpAddr>,
    /// Highest raft id that any node ever had.
    pub highest_raft_id: u64,
    /// What was given up while somebody may still use it.
    #[serde(default)]
    pub resting: Resting,
    /// Outcomes of the latest requests, and their order of arrival.
    #[serde(deserialize_with = "reading::map")]
    pub outcomes: OrdMap<RequestId, Outcome>,
    #[serde(deserialize_with = "reading::vector")]
    pub arrivals: Vector<RequestId>,
    /// Index of the latest request whose outcome is not remembered any more.
    #[serde(default)]
    pub forgotten: u64,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub refused: Option<Arc<Refused>>,
    /// Where in the log.
    #[serde(default)]
    pub at: u64,
}

impl Tables {
    /// Lets tasks that run the same keep one copy of what, as they did before the tables were written.
    pub fn share_containers(&mut self) {
        let mut latest: BTreeMap<ServiceId, Arc<ContainerSpec>> = BTreeMap::new();
        let shared = self.tasks.iter().map(|(id, task)| {
            let known = latest.entry(task.service).or_insert_with(|| task.container.clone());
            if *known != task.container {
                *known = task.container.clone();
            }
            let container = known.clone();
            let task = Task {
                container,
                ..Task::clone(task)
            };
            (*id, Arc::new(task))
        });
        self.tasks = shared.collect();
    }
}
