//! What the log holds. Made by `control` (deciders) and the API edge, carried out by `apply` on every manager.
//!
//! Nothing in here is decided while it is applied: ids, times, addresses, ports are all part of the command.

mod hidden;
mod member;
mod object;
mod task;

use std::net::{IpAddr, SocketAddr};

use model::{
    Availability, Cluster, ClusterSettings, NetworkId, Node, NodeDescription, NodeId, NodeSpec, NodeState, NodeTrust,
    PayloadId, Rebalance, RequestId, RootRotation, ServiceId, Timestamp, UpdateStatus,
};
use serde::{Deserialize, Serialize};

use crate::TokenStep;
pub use hidden::Hidden;
pub use member::{MemberChange, MemberStep};
pub use object::{
    NewNetwork, NewPayload, NewService, PayloadLabels, PayloadRotation, Rollback, RollbackCause, RunStep, ServiceChange,
};
pub use task::{StatusReport, TaskOp};

/// One log entry: a command and the request that asked for it. Its bytes begin with a format number, see
/// [`Entry::encode`](crate::Entry::encode).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Drawn once per request; a retry carries the same and changes nothing more.
    pub request: RequestId,
    /// What is to be done.
    pub command: Command,
}

/// A change of the cluster's state. Object versions that commands carry are ignored or compared; `apply` writes the
/// log index into the objects that it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// The first command of a cluster.
    InitCluster(Box<Cluster>),
    /// New join tokens; compare-and-set on the cluster's version.
    UpdateTokens {
        /// Version of the cluster that was read.
        version: u64,
        /// Whole join token for workers.
        worker: Hidden,
        /// Whole join token for managers.
        manager: Hidden,
    },
    /// A join token with limits is minted or used.
    Token(TokenStep),
    /// New settings; compare-and-set on the cluster's version.
    UpdateSettings {
        /// Version of the cluster that was read.
        version: u64,
        /// The new ones.
        settings: Box<ClusterSettings>,
    },
    /// A new root sets out to replace the cluster's, or the one that was on its way; compare-and-set.
    StartRootRotation {
        /// Version of the cluster that was read.
        version: u64,
        /// The new root.
        rotation: Box<RootRotation>,
    },
    /// The new root takes the old one's place. Refused while there is a node that it has not reached.
    FinishRootRotation {
        /// Digest of the new root.
        digest: String,
    },
    /// What a node says that it has of the cluster's authority.
    NodeTrust {
        /// Which.
        id: NodeId,
        /// What it has.
        trust: Box<NodeTrust>,
    },
    /// Another unlock key while autolock is on, or none while it is off.
    SetUnlockKey {
        /// `SWMKEY-1-...`; empty: none.
        unlock_key: Hidden,
    },
    /// A network with what the allocator gave it.
    CreateNetwork(Box<NewNetwork>),
    /// Refused while a service or a wanted task uses it.
    RemoveNetwork {
        /// Which.
        id: NetworkId,
    },
    /// A service with what the allocator gave it.
    CreateService(Box<NewService>),
    /// A new spec, with what the allocator gave it; compare-and-set.
    UpdateService(Box<ServiceChange>),
    /// The service goes at once; its tasks become wanted `Remove` in the same step and go when they have ended.
    RemoveService {
        /// Which.
        id: ServiceId,
        /// When.
        at: Timestamp,
    },
    /// A node joins, or joins again with the same id.
    UpsertNode(Box<Node>),
    /// What a node's agent says when it opens a session.
    DescribeNode {
        /// Which.
        id: NodeId,
        /// When.
        at: Timestamp,
        /// Address that it gave, or that its connection came from.
        addr: IpAddr,
        /// Where its control port is or would be; `None`: as before.
        #[serde(default)]
        control: Option<SocketAddr>,
        /// Its machine.
        description: Box<NodeDescription>,
    },
    /// A manager is reached elsewhere from now on.
    MoveManager {
        /// Which.
        id: NodeId,
        /// When.
        at: Timestamp,
        /// Its control port.
        addr: SocketAddr,
    },
    /// A node's way into or out of raft. Goes into the log as a change of raft's membership, never as a plain entry: raft
    /// makes the change at the same index, and only if this command is not refused.
    Member(MemberChange),
    /// Raft ids up to this one are given to nobody any more: somebody may have had them of whom this state does not know.
    SkipRaftIds {
        /// The last that is left out.
        through: u64,
    },
    /// A node is heard from, or not any more.
    NodeStatus {
        /// Which.
        id: NodeId,
        /// When.
        at: Timestamp,
        /// Up or down.
        state: NodeState,
        /// Why, in words; empty if all is well.
        message: String,
    },
    /// What an operator wishes of a node; compare-and-set.
    UpdateNodeSpec {
        /// Which.
        id: NodeId,
        /// Version that was read.
        version: u64,
        /// When.
        at: Timestamp,
        /// The wish.
        spec: NodeSpec,
    },
    /// A node is forgotten; its tasks are orphaned in the same step.
    RemoveNode {
        /// Which.
        id: NodeId,
        /// When.
        at: Timestamp,
        /// Also if it is not down.
        force: bool,
    },
    /// A service's canary becomes what all its tasks are; compare-and-set.
    PromoteCanary {
        /// Which.
        id: ServiceId,
        /// Version that was read.
        version: u64,
        /// When.
        at: Timestamp,
    },
    /// The spec before the last change comes back, and a canary ends; compare-and-set.
    RollbackService(Box<Rollback>),
    /// How far an update is, as the leader sees it. Refused unless one is under way and the service is at this version.
    SetUpdateStatus {
        /// Which.
        id: ServiceId,
        /// Version of the service that was looked at.
        version: u64,
        /// What became of the update.
        status: Box<UpdateStatus>,
    },
    /// How far the evening out of a service is; compare-and-set.
    Rebalance {
        /// Which.
        id: ServiceId,
        /// Version of the service that was looked at.
        version: u64,
        /// `None`: it is done.
        rebalance: Option<Rebalance>,
    },
    /// A run of a job begins by its schedule, or ends.
    JobRun {
        /// Whose.
        id: ServiceId,
        /// Its number.
        iteration: u64,
        /// When.
        at: Timestamp,
        /// Which of both.
        step: RunStep,
    },
    /// A secret or config is made.
    CreatePayload(Box<NewPayload>),
    /// It gets other labels; compare-and-set.
    LabelPayload(Box<PayloadLabels>),
    /// Another one takes its name.
    RotatePayload(Box<PayloadRotation>),
    /// It is removed. Refused while a service uses it.
    RemovePayload {
        /// Which.
        id: PayloadId,
    },
    /// Changes of tasks, in order.
    Tasks(Vec<TaskOp>),
    /// All of them in order, or none.
    Batch(Vec<Command>),
}

impl Command {
    /// A node that has just got its certificate: nothing known of its machine yet, status `Unknown`.
    pub fn join(id: NodeId, at: Timestamp, role: model::Role, addr: IpAddr) -> Self {
        Self::UpsertNode(Box::new(Node {
            id,
            version: 0,
            created_at: at,
            updated_at: at,
            spec: NodeSpec {
                role,
                availability: Availability::Active,
                labels: std::collections::BTreeMap::new(),
            },
            description: None,
            status: model::NodeStatus {
                state: NodeState::Unknown,
                message: String::new(),
                addr,
            },
            manager_addr: None,
            raft_id: None,
        }))
    }
}
