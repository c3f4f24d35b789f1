//! Tasks: one attempt to fill a slot of a service. A task is never restarted; it is replaced in its slot.

use std::{collections::BTreeMap, fmt, num::NonZeroU32, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    Attachment, ContainerSpec, GenericResource, Invalid, Name, NodeId, PublishedPort, ServiceId, TaskId, Timestamp,
};

/// The n-th copy of a replicated service, from 1.
pub type Slot = NonZeroU32;

/// How far a task is. States only grow; numbers and order are Swarm's. Up to `Assigned` the managers set them, from
/// `Accepted` on the node's agent does, `Orphaned` and `Remove` the managers again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TaskState {
    /// Made, nothing allocated.
    New = 0,
    /// Has its addresses, waits for a node.
    Pending = 64,
    /// Has a node.
    Assigned = 192,
    /// The node's agent knows of it.
    Accepted = 256,
    /// Image and networks are being prepared.
    Preparing = 320,
    /// Container made, not started.
    Ready = 384,
    /// Container started, not yet healthy.
    Starting = 448,
    /// Runs and takes traffic.
    Running = 512,
    /// Ended with exit code 0.
    Complete = 576,
    /// Stopped because it was told to.
    Shutdown = 640,
    /// Ended otherwise.
    Failed = 704,
    /// Could not be made.
    Rejected = 768,
    /// To be forgotten.
    Remove = 800,
    /// Its node has been gone too long.
    Orphaned = 832,
}

impl TaskState {
    /// All states in order.
    pub const ALL: [Self; 14] = [
        Self::New,
        Self::Pending,
        Self::Assigned,
        Self::Accepted,
        Self::Preparing,
        Self::Ready,
        Self::Starting,
        Self::Running,
        Self::Complete,
        Self::Shutdown,
        Self::Failed,
        Self::Rejected,
        Self::Remove,
        Self::Orphaned,
    ];

    /// The word that `service ps` prints.
    pub const fn word(self) -> &'static str {
        match self {
            Self::New => "New",
            Self::Pending => "Pending",
            Self::Assigned => "Assigned",
            Self::Accepted => "Accepted",
            Self::Preparing => "Preparing",
            Self::Ready => "Ready",
            Self::Starting => "Starting",
            Self::Running => "Running",
            Self::Complete => "Complete",
            Self::Shutdown => "Shutdown",
            Self::Failed => "Failed",
            Self::Rejected => "Rejected",
            Self::Remove => "Remove",
            Self::Orphaned => "Orphaned",
        }
    }

    /// Nothing runs any more.
    pub fn is_terminal(self) -> bool {
        self > Self::Running
    }

    /// The later state, or an error if `next` is earlier. Staying is no error.
    pub fn advance(self, next: Self) -> Result<Self, Invalid> {
        if next < self {
            Err(Invalid::Backwards {
                from: self.word(),
                to: next.word(),
            })
        } else {
            Ok(next)
        }
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What the orchestrator wants of a task. Only grows as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DesiredState {
    /// Prepared, not started (a replacement that waits for its delay).
    Ready,
    /// Running.
    Running,
    /// Ran to its end: a job's.
    Complete,
    /// Stopped, kept in the history.
    Shutdown,
    /// Stopped and forgotten.
    Remove,
}

impl DesiredState {
    /// The word that `service ps` prints.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Running => "Running",
            Self::Complete => "Complete",
            Self::Shutdown => "Shutdown",
            Self::Remove => "Remove",
        }
    }
}

/// How a task is, as last reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskStatus {
    /// How far.
    pub state: TaskState,
    /// When that was observed.
    pub at: Timestamp,
    /// What happens, in words ("started", "preparing").
    pub message: String,
    /// What is wrong, in words; empty if nothing is.
    pub err: String,
    /// Container id at the engine, once there is one.
    pub container: Option<String>,
    /// Exit code, once it has ended.
    pub exit_code: Option<i64>,
    /// It ended since its container engine was restarted, through no fault of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub engine_restarted: bool,
    /// It runs, and takes no new flows: what its node asks it, it does not answer well now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_ready: bool,
}

impl TaskStatus {
    /// In this state since then; nothing else is known.
    pub const fn of(state: TaskState, at: Timestamp) -> Self {
        Self {
            state,
            at,
            message: String::new(),
            err: String::new(),
            container: None,
            exit_code: None,
            engine_restarted: false,
            not_ready: false,
        }
    }
}

/// A task that ended badly by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setback {
    /// Where it was.
    pub node: NodeId,
    /// When the managers heard of its end.
    pub at: Timestamp,
    /// It had hardly begun.
    pub at_once: bool,
}

impl Setback {
    /// How many a task remembers.
    pub const KEPT: usize = 16;
}

/// One attempt to fill a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Raft index of the last change.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Whose task it is.
    pub service: ServiceId,
    /// That service's name when the task was made.
    pub service_name: Name,
    /// Which slot it fills.
    pub slot: Slot,
    /// The spec version that it was made from.
    pub spec_version: u64,
    /// What runs. Tasks of one spec share it.
    pub container: Arc<ContainerSpec>,
    /// Where; `None` until the scheduler has decided.
    pub node: Option<NodeId>,
    /// Its endpoints; empty until the allocator has given addresses. The first is the gateway endpoint.
    pub attachments: Vec<Attachment>,
    /// What is wanted.
    pub desired: DesiredState,
    /// Not to be started before (restart delay).
    pub not_before: Option<Timestamp>,
    /// How it is.
    pub status: TaskStatus,
    /// The one node that it is for, of a global service or job; the scheduler looks at no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<NodeId>,
    /// Which run of a job it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_iteration: Option<u64>,
    /// Resources with operators' names that it was given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub generic_resources: Vec<GenericResource>,
    /// Ports of the task's host that it publishes with mode `host`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_ports: Vec<PublishedPort>,
    /// The latest setbacks of its slot with the same spec before it, oldest first; not more than [`Setback::KEPT`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub setbacks: Vec<Setback>,
    /// Its service's labels when it was made, for templates. Tasks of one spec share them.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub service_labels: Arc<BTreeMap<String, String>>,
    /// Since when it runs, or when it first ran if it has ended; by the clock of the managers that heard of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_since: Option<Timestamp>,
}

fn is_empty(labels: &Arc<BTreeMap<String, String>>) -> bool {
    labels.is_empty()
}

impl Task {
    /// A task of a service's first spec that nothing was decided about: it is to run, and has no node and no address yet.
    pub fn new(
        id: TaskId,
        (service, service_name): (ServiceId, Name),
        slot: Slot,
        container: Arc<ContainerSpec>,
        at: Timestamp,
    ) -> Self {
        Self {
            id,
            version: 0,
            created_at: at,
            updated_at: at,
            service,
            service_name,
            slot,
            spec_version: 1,
            container,
            node: None,
            attachments: Vec::new(),
            desired: DesiredState::Running,
            not_before: None,
            status: TaskStatus::of(TaskState::New, at),
            pinned: None,
            job_iteration: None,
            generic_resources: Vec::new(),
            host_ports: Vec::new(),
            setbacks: Vec::new(),
            service_labels: Arc::default(),
            running_since: None,
        }
    }

    /// `service.slot`, or `service.node` of a global service, as `service ps` prints it.
    pub fn name(&self) -> String {
        match self.pinned {
            Some(node) => format!("{}.{node}", self.service_name),
            None => format!("{}.{}", self.service_name, self.slot),
        }
    }

    /// Wanted and not ended.
    pub fn is_live(&self) -> bool {
        self.desired < DesiredState::Shutdown && !self.status.state.is_terminal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_only_grow() {
        for (i, from) in TaskState::ALL.into_iter().enumerate() {
            for (j, to) in TaskState::ALL.into_iter().enumerate() {
                assert_eq!(from.advance(to).is_ok(), j >= i, "{from} to {to}");
            }
        }
    }
}
