//! What a node is made of, as the daemon sees it: a seam, so that entering and leaving a cluster are tested without a
//! kernel, an engine or a disk. `assembly` has the real parts.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use agent::{
    identity::{Identity, JoinRequest},
    runtime::EngineFacts,
    session::{Calling, Manager as KnownManager},
};
use anyhow::Result;
use futures::future::BoxFuture;
use manager::{Backup, InitParams};
use model::{Availability, ClusterSettings, Timestamp};
use seal::{KeyId, Keys, UnlockKey};
use tokio::sync::watch;
use tonic::service::Routes;
use wire::pb;

use crate::{advertise::HostAddr, preflight::Unfit, state::NodeState};

/// What the cluster says of itself on a manager.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Nodes.
    pub nodes: u32,
    /// Managers among them.
    pub managers: u32,
    /// Where managers are reached.
    pub manager_addrs: Vec<String>,
    /// The cluster's settings.
    pub settings: ClusterSettings,
    /// Where the keys of its log lie on its disk, and what that means.
    pub key_storage: String,
    /// The cluster's root, and who signs for its nodes.
    pub tls: Option<pb::TlsInfo>,
}

/// A running manager.
pub trait ManagerPart: Send + Sync {
    /// Who its node is by the certificate that it signed itself at its start, where the one before had ended; it is on the
    /// disk. `None`: as it was given.
    fn signed(&self) -> Option<Identity>;
    /// The cluster's API.
    fn routes(&self) -> Routes;
    /// What the cluster says of itself.
    fn summary(&self) -> Summary;
    /// The whole token that lets workers in.
    fn worker_token(&self) -> Option<String>;
    /// The cluster's unlock key, `SWMKEY-1-...`; empty while autolock is off.
    fn unlock_key(&self) -> String;
    /// Changes when [`ManagerPart::cover`] does.
    fn lock(&self) -> watch::Receiver<Option<UnlockKey>>;
    /// The data keys under which the node's key has to lie on the disk; `None`: in clear.
    fn cover(&self) -> Option<Arc<Keys>>;
    /// Under which of them it does.
    fn covered(&self, under: Option<KeyId>);
    /// Shows a renewed certificate from now on.
    fn identify(&self, identity: &Identity) -> Result<()>;
    /// Raft id.
    fn member(&self) -> u64;
    /// The managers as this node's session names them.
    fn tell(&self, managers: &[KnownManager]);
    /// Whether a majority of the managers agrees with it.
    fn has_majority(&self) -> BoxFuture<'_, Result<bool>>;
    /// Host names of the other managers.
    fn peers(&self) -> Vec<String>;
    /// Waits until raft has let it go; pending as long as it is a member.
    fn removed(&self) -> BoxFuture<'static, ()>;
    /// Demotes its own node and waits until raft has let it go.
    fn retire(&self) -> BoxFuture<'_, Result<()>>;
    /// Waits until it cannot go on, and says why; pending as long as all is well.
    fn failed(&self) -> BoxFuture<'static, String>;
    /// Stops it; its state stays on the disk.
    fn stop(&self) -> BoxFuture<'_, ()>;
}

/// How a running agent is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentStatus {
    /// Managers that it knows, `HOST:PORT`.
    pub managers: Vec<String>,
    /// Whether it has a session with one of them.
    pub connected: bool,
    /// Why it has none; empty if it has, or has not tried yet.
    pub error: String,
    /// Since when it has none; `None` if it has.
    pub cut_off: Option<Timestamp>,
    /// What an operator should know of this node.
    pub warnings: Vec<String>,
}

/// A running agent.
pub trait AgentPart: Send + Sync {
    /// How it is.
    fn status(&self) -> AgentStatus;
    /// Who the node is; changes when its certificate is renewed.
    fn identity(&self) -> watch::Receiver<Identity>;
    /// What the managers want this node to be; `None` until one has said so.
    fn calling(&self) -> watch::Receiver<Option<Calling>>;
    /// The managers as last told.
    fn managers(&self) -> watch::Receiver<Vec<KnownManager>>;
    /// Lets the node's key lie on the disk sealed under these keys, or in clear. Waits until it does.
    fn cover(&self, keys: Option<Arc<Keys>>) -> BoxFuture<'_, Result<()>>;
    /// What the kernel has of ours, by name.
    fn counts(&self) -> BoxFuture<'_, Result<Vec<(String, u64)>>>;
    /// Leaves the cluster and ends: tells the managers, removes the node's containers and everything of ours in the
    /// kernel. Tries all of it, and gives the first error.
    fn leave(&self) -> BoxFuture<'_, Result<()>>;
    /// Stops it; containers and datapath go on.
    fn stop(&self) -> BoxFuture<'_, ()>;
}

/// The place where a node's parts come from.
pub trait Parts: Send + Sync + 'static {
    /// What the engine says of itself.
    fn engine(&self) -> BoxFuture<'_, Result<EngineFacts>>;
    /// Addresses of this host.
    fn addresses(&self) -> Result<Vec<HostAddr>>;
    /// Whether a certificate is valid by this host's clock.
    fn is_in_force(&self, identity: &Identity) -> bool;
    /// Where managers may be as an operator said: for all parts, from now on.
    fn hint(&self, peers: &[String]);
    /// The address of this host from which packets to `remote` go; `None` without a route.
    fn source(&self, remote: SocketAddr) -> Option<IpAddr>;
    /// Whether this host's kernel and ports will do for a node at `place` with tunnels on `data_port`.
    fn fit(&self, place: &NodeState, data_port: u16, data_port_hint: &'static str) -> Result<(), Unfit>;
    /// Makes a cluster with this node as its first manager.
    fn bootstrap<'a>(
        &'a self,
        place: &'a NodeState,
        init: InitParams,
    ) -> BoxFuture<'a, Result<(Arc<dyn ManagerPart>, Identity)>>;
    /// The UDP port of the tunnels in the cluster of the manager at `remote`.
    fn data_port<'a>(&'a self, remote: &'a str) -> BoxFuture<'a, Result<u16>>;
    /// Joins a cluster; nothing is kept yet.
    fn join<'a>(&'a self, request: &'a JoinRequest) -> BoxFuture<'a, Result<Identity>>;
    /// Keeps the identity on the disk.
    fn keep(&self, identity: &Identity) -> Result<()>;
    /// The identity on the disk; its key stays sealed if the data keys of the manager's log cannot be read.
    fn identity(&self, unlock: Option<&UnlockKey>) -> Result<Option<Identity>>;
    /// Starts the manager of a node that was one before; `unlock` opens it if autolock was on.
    fn manager<'a>(
        &'a self,
        place: &'a NodeState,
        identity: &'a Identity,
        unlock: Option<UnlockKey>,
    ) -> BoxFuture<'a, Result<Arc<dyn ManagerPart>>>;
    /// Starts the manager of a node that raft takes in as this member.
    fn new_manager<'a>(
        &'a self,
        place: &'a NodeState,
        identity: &'a Identity,
        member: u64,
    ) -> BoxFuture<'a, Result<Arc<dyn ManagerPart>>>;
    /// Starts the manager of a node that was one before as the only one of its cluster.
    fn sole_manager<'a>(
        &'a self,
        place: &'a NodeState,
        identity: &'a Identity,
        unlock: Option<UnlockKey>,
    ) -> BoxFuture<'a, Result<Arc<dyn ManagerPart>>>;
    /// Makes a cluster of a backup with this node as its only manager.
    fn restore<'a>(
        &'a self,
        place: &'a NodeState,
        backup: Backup,
        availability: Availability,
    ) -> BoxFuture<'a, Result<(Arc<dyn ManagerPart>, Identity)>>;
    /// Starts the agent; an error leaves nothing of it on this host.
    fn agent<'a>(&'a self, place: &'a NodeState, identity: &'a Identity) -> BoxFuture<'a, Result<Arc<dyn AgentPart>>>;
}
