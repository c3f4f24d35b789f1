//! What can be on the agenda of a run.

use control::Update;
use manager::KnownManager;
use model::{Node, NodeId, Seat, TaskId};

use crate::node::{Operation, Said};

/// What a node hears from the leader of its manager and of the others.
#[derive(Clone, Debug)]
pub struct Calling {
    /// Which manager it shall run, if any.
    pub seat: Seat,
    /// All managers.
    pub managers: Vec<KnownManager>,
}

/// A raft message under way.
#[derive(Clone, Debug)]
pub struct RaftCall {
    /// The manager that sent it.
    pub from: usize,
    /// It, encoded.
    pub message: Vec<u8>,
    /// What its sender said of raft's members with it.
    pub vouches: Vec<KnownManager>,
    /// It is a snapshot, in this call.
    pub transfer: Option<u64>,
}

/// One thing that happens at one moment.
#[derive(Clone, Debug)]
pub enum Happening {
    /// A step of the schedule, by its place.
    Step(usize),
    /// A unit of raft's time passes at a manager.
    Tick { manager: usize, run: u32 },
    /// A raft message of another manager arrives.
    Raft { manager: usize, call: RaftCall },
    /// A manager learns that a message to another member (raft id) was lost.
    Unreachable { manager: usize, member: u64 },
    /// A manager learns how a call with a snapshot has ended.
    SnapshotEnded {
        manager: usize,
        transfer: u64,
        arrived: bool,
    },
    /// The leader's loop looks.
    Loop(usize),
    /// An agent's heartbeat is due.
    Beat { node: NodeId, run: u32 },
    /// A heartbeat or a report arrives at a manager.
    Heard { manager: usize, node: NodeId, said: Said },
    /// A manager's answer to it: who leads, and from the leader what the node shall be, which of the ended containers
    /// that it keeps may go, and which of its tasks may be stopped.
    Answered {
        node: NodeId,
        leader: Option<usize>,
        calling: Option<Calling>,
        forgotten: Vec<TaskId>,
        released: Vec<TaskId>,
    },
    /// A view, or what changed in it, arrives at a node.
    Told { node: NodeId, update: Box<Update> },
    /// An operation of an engine ends.
    Done {
        node: NodeId,
        run: u32,
        task: TaskId,
        operation: Operation,
    },
    /// An agent brings its kernel in line.
    Program(NodeId),
    /// A new machine tries to join.
    Join(Box<Node>),
    /// The user does something, or looks what came of it.
    User,
    /// A client's turn.
    Client(usize),
    /// A machine has booted.
    Booted(NodeId),
    /// A manager's process starts again.
    Recovered(usize),
    /// A manager that raft has let go ends.
    Released(usize),
    /// A node that leaves waits no longer for raft to let its manager go.
    Departure(NodeId),
    /// A manager's process goes on.
    Resumed(usize),
    /// A manager's clock is right again.
    ManagerClock(usize),
    /// A node's clock is right again.
    NodeClock(NodeId),
    /// There is space on a manager's disk again.
    DiskSpace(usize),
}

impl Happening {
    /// The manager whose process does it; nothing happens there while it is stopped.
    pub fn process(&self) -> Option<usize> {
        match self {
            Self::Tick { manager, .. }
            | Self::Raft { manager, .. }
            | Self::Unreachable { manager, .. }
            | Self::SnapshotEnded { manager, .. }
            | Self::Released(manager)
            | Self::Loop(manager)
            | Self::Heard { manager, .. } => Some(*manager),
            _ => None,
        }
    }

    /// What a manager says with it to another one, for the trace.
    pub fn message(&self) -> &[u8] {
        match self {
            Self::Raft { call, .. } => &call.message,
            _ => &[],
        }
    }

    /// Kind and whom it concerns, for the trace and for whoever reads of a failure.
    pub fn label(&self) -> (&'static str, u64) {
        let of = |node: &NodeId| node.bits() as u64;
        match self {
            Self::Step(step) => ("step", *step as u64),
            Self::Tick { manager, .. } => ("tick", *manager as u64),
            Self::Raft { manager, .. } => ("raft message", *manager as u64),
            Self::Unreachable { manager, .. } => ("unreachable", *manager as u64),
            Self::SnapshotEnded { manager, .. } => ("snapshot's end", *manager as u64),
            Self::Loop(manager) => ("leader's loop", *manager as u64),
            Self::Beat { node, .. } => ("heartbeat due", of(node)),
            Self::Heard { node, .. } => ("heartbeat heard", of(node)),
            Self::Answered { node, .. } => ("heartbeat answered", of(node)),
            Self::Told { node, .. } => ("view", of(node)),
            Self::Done { node, .. } => ("operation done", of(node)),
            Self::Program(node) => ("kernel programmed", of(node)),
            Self::Join(node) => ("join", of(&node.id)),
            Self::User => ("user", 0),
            Self::Client(client) => ("client", *client as u64),
            Self::Booted(node) => ("booted", of(node)),
            Self::Released(manager) => ("manager released", *manager as u64),
            Self::Departure(node) => ("departure", of(node)),
            Self::Recovered(manager) => ("manager started", *manager as u64),
            Self::Resumed(manager) => ("manager resumed", *manager as u64),
            Self::ManagerClock(manager) => ("manager's clock set", *manager as u64),
            Self::NodeClock(node) => ("node's clock set", of(node)),
            Self::DiskSpace(manager) => ("disk has space", *manager as u64),
        }
    }
}
