//! Nodes: what an operator wishes of one, what it says of itself, and how it is.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{NodeId, Timestamp};

/// What a node may do in the cluster; also the `OU` of its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Runs tasks.
    Worker,
    /// Runs tasks and holds the cluster's state.
    Manager,
}

impl Role {
    /// `worker` or `manager`, as users write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Manager => "manager",
        }
    }
}

/// Whether the scheduler may place tasks on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Availability {
    /// Takes tasks.
    Active,
    /// Keeps its tasks, takes no new ones.
    Pause,
    /// Its tasks move elsewhere.
    Drain,
}

impl Availability {
    /// `Active`, `Pause` or `Drain`, as `node ls` shows it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Pause => "Pause",
            Self::Drain => "Drain",
        }
    }
}

/// Whether a node's agent is heard from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NodeState {
    /// Not heard from since this manager became leader.
    Unknown,
    /// Missed its heartbeats, or left.
    Down,
    /// Has a session.
    Ready,
}

impl NodeState {
    /// `Unknown`, `Down` or `Ready`, as `node ls` shows it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Down => "Down",
            Self::Ready => "Ready",
        }
    }
}

/// What an operator wishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSpec {
    /// Role it should have.
    pub role: Role,
    /// Whether it takes tasks.
    pub availability: Availability,
    /// Operator labels, for constraints.
    pub labels: BTreeMap<String, String>,
}

/// What a node's agent says of its machine when it opens a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeDescription {
    /// Host name.
    pub hostname: String,
    /// `linux`.
    pub os: String,
    /// `x86_64`, `aarch64`, as the engine names it.
    pub arch: String,
    /// Version of the container engine.
    pub engine_version: String,
    /// Engine labels, for constraints.
    pub engine_labels: BTreeMap<String, String>,
    /// CPU time per second, 10^-9 of a core.
    pub nano_cpus: i64,
    /// Bytes of memory.
    pub memory_bytes: i64,
    /// Tunnel endpoint in the underlay.
    pub vtep: IpAddr,
    /// MTU of the device that carries the tunnel, bytes.
    pub underlay_mtu: u16,
    /// Prefixes that the host routes, has addresses in, or resolves names at: no network may overlap them.
    pub taken_prefixes: Vec<IpNet>,
    /// Ports of the host that a listener or the engine holds; published there they are reported, not captured.
    pub held_ports: Vec<HeldPort>,
    /// Resources with operators' names that the engine was given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub generic_resources: Vec<crate::GenericResource>,
    /// Drivers of the engine (`Volume/local`, `Network/bridge`, `Log/json-file`); empty: not said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<String>,
    /// Why the container engine does not answer, in words; empty if it does. What is said of the engine is then what it
    /// said last.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub engine_error: String,
}

/// A port of the host that somebody else holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HeldPort {
    /// Port, host order.
    pub port: u16,
    /// Protocol.
    pub protocol: crate::Protocol,
    /// Who, in words for a user: a process name, or a container of the engine.
    pub holder: String,
}

/// How a node is, as the managers see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Heard from or not.
    pub state: NodeState,
    /// Why not, in words; empty if all is well.
    pub message: String,
    /// Address that the node gave, or that its connection came from.
    pub addr: IpAddr,
}

/// What a manager says of the manager on a node: which it shall be. A manager that was replaced as the leader and does
/// not know it yet says what was true before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seat {
    /// Raft id of the node's manager, if it shall run one.
    pub member: Option<u64>,
    /// Highest raft id that any node had, as far as is known where this comes from.
    pub highest: u64,
}

/// What a node does about its manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeatStep {
    /// Start one with this raft id and an empty log.
    Take(u64),
    /// Stop it and forget its log.
    GiveUp,
}

impl Seat {
    /// What to do by a node whose manager has the raft id `running`, and that never had a higher one than `had`. Raft ids
    /// only grow, so old words are known by them: who does not know of `running` cannot say that raft let it go, and a
    /// raft id that was given up once would come back without its log.
    pub fn step(self, running: Option<u64>, had: u64) -> Option<SeatStep> {
        match (self.member, running) {
            (Some(member), _) => (Some(member) > running.max(Some(had))).then_some(SeatStep::Take(member)),
            (None, Some(own)) => (own <= self.highest).then_some(SeatStep::GiveUp),
            (None, None) => None,
        }
    }
}

/// A member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its id, from its certificate.
    pub id: NodeId,
    /// Raft index of the last change.
    pub version: u64,
    /// When it joined.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// What is wished.
    pub spec: NodeSpec,
    /// What it said of itself; `None` until its first session.
    pub description: Option<NodeDescription>,
    /// How it is.
    pub status: NodeStatus,
    /// Where its control port is while it is a manager, or would be if it became one; `None` until it has said so.
    pub manager_addr: Option<SocketAddr>,
    /// Raft id, as long as it is a member of raft: from the step at which raft takes it in to the one at which raft
    /// lets it go. Never used again, not even for the same node.
    pub raft_id: Option<u64>,
}

impl Node {
    /// What it is certified as, and told to be: a manager if an operator wishes it, and after that for as long as raft has
    /// it as a member. Until then the others need its vote, and take it from managers only.
    pub fn role(&self) -> Role {
        match self.raft_id {
            Some(_) => Role::Manager,
            None => self.spec.role,
        }
    }

    /// Host name, or the short id before the first session.
    pub fn hostname(&self) -> String {
        self.description
            .as_ref()
            .map_or_else(|| self.id.short(), |d| d.hostname.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_takes_and_gives_up_seats_by_news_only() {
        let told = |member, highest| Seat { member, highest };
        assert_eq!(told(Some(3), 3).step(None, 2), Some(SeatStep::Take(3)));
        assert_eq!(told(Some(4), 4).step(Some(3), 3), Some(SeatStep::Take(4)));
        assert_eq!(told(Some(3), 3).step(Some(3), 3), None);
        assert_eq!(
            told(Some(3), 3).step(None, 3),
            None,
            "it was given up, and its log with it"
        );
        assert_eq!(told(Some(3), 3).step(Some(4), 4), None, "old");
        assert_eq!(told(None, 4).step(Some(3), 3), Some(SeatStep::GiveUp));
        assert_eq!(told(None, 2).step(Some(3), 3), None, "said by who does not know of 3");
        assert_eq!(told(None, 4).step(None, 3), None);
    }
}
