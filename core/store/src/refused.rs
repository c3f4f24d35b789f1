//! Why a command was refused: facts, worded as Docker words them where it has a wording. Shown to users as they are.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;
use model::{NodeId, PayloadKind, PublishMode, ServiceId, TaskId, TaskState};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::MAX_LIMITED_TOKENS;

/// The kind of an object that a refusal names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// The cluster.
    Cluster,
    /// A node.
    Node,
    /// A network.
    Network,
    /// A service.
    Service,
    /// A task.
    Task,
    /// A secret.
    Secret,
    /// A config.
    Config,
}

impl From<PayloadKind> for Kind {
    fn from(kind: PayloadKind) -> Self {
        match kind {
            PayloadKind::Secret => Self::Secret,
            PayloadKind::Config => Self::Config,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cluster => "cluster",
            Self::Node => "node",
            Self::Network => "network",
            Self::Service => "service",
            Self::Task => "task",
            Self::Secret => "secret",
            Self::Config => "config",
        })
    }
}

/// How a service that has a port uses it.
fn used_as(mode: PublishMode) -> &'static str {
    match mode {
        PublishMode::Ingress => "an ingress port",
        PublishMode::Host => "a host-published port",
    }
}

/// Docker's word before the names of services.
fn following(services: &[String]) -> &'static str {
    match services.len() {
        1 => "service",
        _ => "services",
    }
}

/// A command that changes nothing, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
#[allow(
    missing_docs,
    reason = "the message of each variant says what it and its fields mean"
)]
pub enum Refused {
    #[error(
        "This node is already part of a swarm. Use \"netctl swarm leave\" to leave this swarm and join another one."
    )]
    ClusterExists,
    #[error(
        "This node is not a swarm manager. Use \"netctl swarm init\" or \"netctl swarm join\" to connect this node to swarm and try again."
    )]
    NoCluster,
    #[error("{0}")]
    Invalid(String),
    #[error("A valid join token is necessary to join this cluster")]
    TokenUnknown,
    #[error("this join token has expired: get another with \"netctl swarm join-token\" on a manager")]
    TokenExpired,
    #[error("this join token is used up: get another with \"netctl swarm join-token\" on a manager")]
    TokenSpent,
    #[error(
        "there are {MAX_LIMITED_TOKENS} join tokens with limits already: wait until some have ended, or remove those of a role with \"netctl swarm join-token --rotate ROLE\""
    )]
    TooManyTokens,
    #[error("no rotation to the root certificate {0} is under way")]
    NoRotation(String),
    #[error("the new root certificate has not reached node {0}: bring it back, or remove it with \"netctl node rm\"")]
    RotationUnfinished(String),
    #[error("{kind} {what} not found")]
    NotFound { kind: Kind, what: String },
    #[error("name conflicts with an existing object: {kind} {name} already exists")]
    NameTaken { kind: Kind, name: String },
    #[error("{kind} {what} is ambiguous ({matches} matches found): give more characters of the id")]
    Ambiguous { kind: Kind, what: String, matches: usize },
    #[error("{kind} with id {id} already exists")]
    IdTaken { kind: Kind, id: String },
    #[error("update out of sequence: {kind} {name} is at version {now}, not {read}; read it again and repeat")]
    OutOfSequence {
        kind: Kind,
        name: String,
        read: u64,
        now: u64,
    },
    #[error("renaming services is not supported: {from} cannot become {to}")]
    Renamed { from: String, to: String },
    #[error("service mode change is not allowed: {service} stays {mode}; remove it and create it in the other mode")]
    ModeChanged { service: String, mode: String },
    #[error("job {service} has no run {iteration} that could begin or end now")]
    NoSuchRun { service: String, iteration: u64 },
    #[error("service {0} does not have a previous spec")]
    NoPrevious(String),
    #[error("no update of service {0} is under way")]
    NoUpdate(String),
    #[error(
        "service {0} has no canary to promote or abort: begin one with \"netctl service update --canary 10% ... {0}\""
    )]
    NoCanary(String),
    #[error("service {name} is a {mode}: jobs have no canaries, update it without --canary")]
    CanaryOfJob { name: String, mode: String },
    #[error(
        "a canary of service {0} runs something else and is reached as the service is: change networks, ports and endpoint mode by an update without --canary"
    )]
    CanaryReach(String),
    #[error(
        "a canary of service {0} would be what its other tasks are: give what is to be different, for instance --image, or --force"
    )]
    CanaryUnchanged(String),
    #[error(
        "service {0} is being updated, and not all of its tasks are alike: wait until that is over, or go back with \"netctl service rollback {0}\", then begin a canary"
    )]
    CanaryWhileUpdating(String),
    #[error("port '{port}' is already in use by service '{name}' ({id}) as {}", used_as(*mode))]
    PortTaken {
        port: u16,
        name: String,
        id: ServiceId,
        mode: PublishMode,
    },
    #[error("port '{port}' is the cluster's own {purpose} and cannot be published: choose another port")]
    PortReserved { port: u16, purpose: String },
    #[error("no port left between {first} and {last} to publish port {target}: name one with --publish PORT:{target}")]
    NoPort { first: u16, last: u16, target: u16 },
    #[error("network {network} is in use by service {service}")]
    NetworkInUse { network: String, service: String },
    #[error("network {network} is in use by task {task}")]
    NetworkInUseByTask { network: String, task: TaskId },
    #[error("ingress network {0} is already present")]
    IngressExists(String),
    #[error("Service cannot be explicitly attached to the ingress network \"{0}\"")]
    IngressNamed(String),
    #[error("ingress network cannot be removed because service {0} depends on it")]
    IngressInUse(String),
    #[error("there is no ingress network, which service {0} needs: make one with \"netctl network create --ingress\"")]
    NoIngress(String),
    #[error(
        "Pool overlaps with other one on this address space: subnet {subnet} overlaps {with}; choose another with --subnet"
    )]
    SubnetTaken { subnet: IpNet, with: String },
    #[error(
        "could not find an available, non-overlapping /{prefix} in the address pools {pools}: name one with --subnet, or other pools with swarm init --default-addr-pool"
    )]
    NoSubnet { prefix: u8, pools: String },
    #[error("VNI {vni} is already in use by network {network}")]
    VniTaken { vni: u32, network: String },
    #[error("no VNI left for network {0}: remove a network first")]
    NoVni(String),
    #[error("address {addr} is already in use in network {network}")]
    AddressTaken { addr: IpAddr, network: String },
    #[error("address {addr} is not a host address of network {network} (subnet {subnet})")]
    AddressOutside {
        addr: IpAddr,
        network: String,
        subnet: IpNet,
    },
    #[error("no address left in network {network} (subnet {subnet}): use a network with a larger --subnet")]
    NoAddress { network: String, subnet: IpNet },
    #[error("node {0} is not down and can't be removed")]
    NodeNotDown(String),
    #[error(
        "node {0} is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal"
    )]
    NodeIsManager(String),
    #[error("task {task} is not given up: its node {node} is not down any more")]
    NodeBack { node: String, task: TaskId },
    #[error("attempting to demote the last manager of the swarm")]
    LastManager,
    #[error("can't remove member from the raft: this would result in a loss of quorum")]
    QuorumAtRisk,
    #[error("node {node} cannot take this step as raft member {raft_id} (any more)")]
    NoSuchMember { node: NodeId, raft_id: u64 },
    #[error("raft id {raft_id} has been used before: nodes get ids above {highest}")]
    RaftIdUsed { raft_id: u64, highest: u64 },
    #[error("node {node} reports task {task}, which is not its own")]
    ForeignTask { node: NodeId, task: TaskId },
    #[error("node {node} reports task {task} as {state}, which agents do not decide")]
    ForeignState {
        node: NodeId,
        task: TaskId,
        state: TaskState,
    },
    #[error("task {task} may still run on node {node}: it cannot be forgotten before it has ended")]
    TaskNotEnded { task: TaskId, node: String },
    #[error("slot {slot} is filled by task {task}, which has not ended and is wanted")]
    SlotTaken { slot: String, task: TaskId },
    #[error("task {task} is {state}: it cannot become {next} any more")]
    TaskBeyond {
        task: TaskId,
        state: TaskState,
        next: TaskState,
    },
    #[error("{kind} '{name}' is in use by the following {}: {}", following(services), services.join(", "))]
    PayloadInUse {
        kind: PayloadKind,
        name: String,
        services: Vec<String>,
    },
    #[error(
        "service {0} wants all rights or devices of the host, which this cluster does not give: drop --privileged and --device, or allow them with \"netctl swarm update --allow-privileged=true\""
    )]
    PrivilegedOff(String),
    #[error(
        "the request was under way for so long that it may have been carried out before: look whether it was, and ask again if not"
    )]
    Outdated,
    #[error("this {kind} has been rotated: name the latest one, {name}")]
    Superseded { kind: PayloadKind, name: String },
    #[error("other services use {kind} {name} than when its rotation was planned: rotate it again")]
    UsersChanged { kind: PayloadKind, name: String },
}

impl Refused {
    /// Whether something that was free when the command was planned has been taken since, or a name means another
    /// secret or config than then. Planning once more, on a fresh view, gives another choice or the refusal that the
    /// user should see.
    pub fn is_race(&self) -> bool {
        matches!(
            self,
            Self::AddressTaken { .. }
                | Self::VniTaken { .. }
                | Self::SubnetTaken { .. }
                | Self::PortTaken { .. }
                | Self::Superseded { .. }
                | Self::UsersChanged { .. }
        )
    }
}
