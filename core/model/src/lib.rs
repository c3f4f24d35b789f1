//! The words of the product: ids, specs, tasks, networks, services, nodes, and what one node is told.
//!
//! Values only. Constructors validate ("parse, don't validate"), nothing here changes over time, does I/O or asks for
//! the clock. Every other crate speaks in these types; `wire` turns them into protobuf messages and back.

mod cluster;
mod id;
mod invalid;
mod limited_token;
mod name;
mod network;
mod node;
mod payload;
mod service;
mod task;
mod template;
mod time;
mod token;
mod trust;
mod view;

pub use cluster::{Cluster, ClusterSecrets, ClusterSettings};
pub use id::{ClusterId, NetworkId, NodeId, PayloadId, RequestId, ServiceId, TaskId};
pub use invalid::Invalid;
pub use limited_token::LimitedToken;
pub use name::{Name, NameKind};
pub use network::{Attachment, MESH_REPLY_VNI, MESH_REQUEST_VNI, Mac, Network, NetworkSpec, VNI_FIRST, VNI_LAST, Vni};
pub use node::{Availability, HeldPort, Node, NodeDescription, NodeSpec, NodeState, NodeStatus, Role, Seat, SeatStep};
pub use payload::{Payload, PayloadBytes, PayloadKind, PayloadRef, PayloadSpec};
pub use service::{
    Canary, Constraint, ConstraintKey, ContainerSpec, DYNAMIC_PORT_FIRST, DYNAMIC_PORT_LAST, Device, DnsConfig, Driver,
    EarlierPorts, EndpointMode, FailureAction, GenericResource, HealthCheck, HealthTest, JobRun, JobStatus, Limits,
    Mode, Mount, MountKind, NetworkAttachment, Overlap, Placement, Platform, PortSpec, PreviousSpec, Probe,
    ProbeTarget, Propagation, Protocol, PublishMode, PublishedPort, PullPolicy, Ratio, Rebalance, Reservations,
    Resources, RestartCondition, RestartPolicy, RunOutcome, Schedule, Service, ServiceSpec, SpreadOver, Ulimit,
    Ulimits, UpdateOrder, UpdatePolicy, UpdateState, UpdateStatus, VirtualIp,
};
pub use task::{DesiredState, Setback, Slot, Task, TaskState, TaskStatus};
pub use template::{Expr, Field, Piece, Scope, Source, Template, TemplateError};
pub use time::{NoTime, Timestamp};
pub use token::JoinToken;
pub use trust::{NodeTrust, RootRotation, RootSecrets};
pub use view::{
    Changes, EndpointView, NetworkView, NodeView, PayloadView, PeerView, Row, ServiceView, Unfit, ViewDelta,
};
