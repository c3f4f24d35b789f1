//! Changes of tasks.

use model::{Attachment, DesiredState, GenericResource, NodeId, PublishedPort, Task, TaskId, TaskStatus, Timestamp};
use serde::{Deserialize, Serialize};

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
