//! What an applied command touched. Events say "look again at this"; losing one costs latency, never correctness,
//! because a periodic pass looks at everything.

use model::{NetworkId, NodeId, PayloadId, PayloadKind, ServiceId, Slot, TaskId};

/// An object that was made, changed or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// The cluster's own settings.
    Cluster,
    /// A node.
    Node(NodeId),
    /// A network.
    Network(NetworkId),
    /// A service.
    Service(ServiceId),
    /// A secret or config.
    Payload {
        /// Which.
        id: PayloadId,
        /// Secret or config.
        kind: PayloadKind,
    },
    /// A task; what it belongs to rides along, because a removed task cannot be looked up any more.
    Task {
        /// Which.
        task: TaskId,
        /// Whose.
        service: ServiceId,
        /// Which slot of it.
        slot: Slot,
        /// Where.
        node: Option<NodeId>,
        /// It has ended or is no more: others may have its addresses and its host's ports.
        ended: bool,
    },
}
