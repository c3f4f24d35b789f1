//! What the log holds. Made by `control` (deciders) and the API edge, carried out by `apply` on every manager.
//!
//! Nothing in here is decided while it is applied: ids, times, addresses, ports are all part of the command.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use model::{
    Attachment, Availability, Cluster, ClusterSettings, DesiredState, GenericResource, NetworkId, NetworkSpec, Node,
    NodeDescription, NodeId, NodeSpec, NodeState, NodeTrust, PayloadBytes, PayloadId, PayloadKind, PayloadSpec,
    PublishedPort, Ratio, Rebalance, RequestId, RootRotation, RunOutcome, ServiceId, ServiceSpec, Task, TaskId,
    TaskStatus, Timestamp, UpdateStatus, VirtualIp, Vni,
};

use crate::TokenStep;

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
        worker: String,
        /// Whole join token for managers.
        manager: String,
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
        unlock_key: String,
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

/// What happens to a run of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunStep {
    /// It is the next one, and begins.
    Begin,
    /// It is the present one, and is over.
    End(RunOutcome),
}

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

/// A network to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewNetwork {
    /// Its id.
    pub id: NetworkId,
    /// When.
    pub at: Timestamp,
    /// What was asked for.
    pub spec: NetworkSpec,
    /// Segment, free when it was chosen.
    pub vni: Vni,
    /// Subnet, free when it was chosen.
    pub subnet: IpNet,
    /// A host address of the subnet.
    pub gateway: IpAddr,
}

/// A secret or config to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPayload {
    /// Its id.
    pub id: PayloadId,
    /// When.
    pub at: Timestamp,
    /// Secret or config.
    pub kind: PayloadKind,
    /// Name, labels.
    pub spec: PayloadSpec,
    /// The bytes.
    pub bytes: PayloadBytes,
}

/// Other labels of a secret or config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadLabels {
    /// Which.
    pub id: PayloadId,
    /// Version that was read.
    pub version: u64,
    /// When.
    pub at: Timestamp,
    /// All of them.
    pub labels: BTreeMap<String, String>,
}

/// New bytes under the name of a secret or config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadRotation {
    /// Whose name.
    pub old: PayloadId,
    /// Id of the one that takes it.
    pub new: PayloadId,
    /// When.
    pub at: Timestamp,
    /// Its bytes.
    pub bytes: PayloadBytes,
}

/// A service to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewService {
    /// Its id.
    pub id: ServiceId,
    /// When.
    pub at: Timestamp,
    /// What was asked for.
    pub spec: ServiceSpec,
    /// One address per network, unless `dnsrr`.
    pub vips: Vec<VirtualIp>,
    /// The published ports with their numbers.
    pub ports: Vec<PublishedPort>,
}

/// A service's new spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceChange {
    /// Which.
    pub id: ServiceId,
    /// Version that was read.
    pub version: u64,
    /// When.
    pub at: Timestamp,
    /// What is asked for now.
    pub spec: ServiceSpec,
    /// One address per network, unless `dnsrr`; those of unchanged networks stay.
    pub vips: Vec<VirtualIp>,
    /// The published ports with their numbers; those of unchanged ports stay.
    pub ports: Vec<PublishedPort>,
    /// This share of new flows is for tasks of the new spec, and only so many are made for now; `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Ratio>,
}

/// A service's way back to the spec before its last change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// Which.
    pub id: ServiceId,
    /// Version that was read.
    pub version: u64,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub cause: RollbackCause,
    /// As in a [`ServiceChange`], for the spec that comes back.
    pub vips: Vec<VirtualIp>,
    /// As in a [`ServiceChange`], for the spec that comes back.
    pub ports: Vec<PublishedPort>,
}

/// Who wishes for a rollback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RollbackCause {
    /// An operator, who can go forward again by another one.
    Asked,
    /// The update's policy, after this task had failed. The spec that failed does not come back.
    Failed(TaskId),
}

/// One change of one task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskOp {
    /// A new task of an existing service.
    Create(Box<Task>),
    /// Its addresses: `New` becomes `Pending`.
    Allocate {
        /// Which.
        task: TaskId,
        /// When.
        at: Timestamp,
        /// One per network; the first is the gateway endpoint.
        attachments: Vec<Attachment>,
    },
    /// Its node: `Pending` becomes `Assigned`.
    Assign {
        /// Which.
        task: TaskId,
        /// When.
        at: Timestamp,
        /// Where it shall run.
        node: NodeId,
        /// What it gets of the node's resources with operators' names.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        generic_resources: Vec<GenericResource>,
        /// The ports of the node that it publishes with mode `host`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        host_ports: Vec<PublishedPort>,
    },
    /// Why it waits, in the words that `service ps` shows; the state stays.
    Explain {
        /// Which.
        task: TaskId,
        /// When.
        at: Timestamp,
        /// The reason; empty: none any more.
        err: String,
    },
    /// What is wanted of it. Only grows; less than before is ignored.
    SetDesired {
        /// Which.
        task: TaskId,
        /// When.
        at: Timestamp,
        /// The wish.
        desired: DesiredState,
    },
    /// What its agent says; see [`StatusReport`].
    Report(Box<StatusReport>),
    /// Its node has been gone for too long to be waited for: it counts as ended.
    Orphan {
        /// Which.
        task: TaskId,
        /// When.
        at: Timestamp,
    },
    /// It is forgotten. Unknown tasks are ignored.
    Remove {
        /// Which.
        task: TaskId,
    },
}

impl TaskOp {
    /// The task that it changes.
    pub fn task(&self) -> TaskId {
        match self {
            Self::Create(task) => task.id,
            Self::Report(report) => report.task,
            Self::Allocate { task, .. }
            | Self::Assign { task, .. }
            | Self::Explain { task, .. }
            | Self::SetDesired { task, .. }
            | Self::Orphan { task, .. }
            | Self::Remove { task } => *task,
        }
    }
}

/// What an agent says of a task. Stale reports (lower state, task ended or unknown) are ignored; reports of another
/// node's task, or of states that agents do not set, are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The node whose agent says it, from its certificate.
    pub node: NodeId,
    /// Which task.
    pub task: TaskId,
    /// How it is.
    pub status: TaskStatus,
    /// When the managers heard it, by the leader's clock; `None` counts as the status's own time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<Timestamp>,
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
