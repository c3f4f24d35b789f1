//! What the agent asks of the node's network: a seam, so that worker, driver and resolver are tested without a kernel.
//!
//! The real one is the network actor, which alone owns links and maps. `ensure_endpoint` is called while the engine
//! starts a container and waits for it, so it must not wait for the engine.

pub mod fake;

use std::{collections::BTreeMap, fs::File, net::IpAddr, sync::Arc};

use futures::future::BoxFuture;
use ipnet::IpNet;
use model::{Mac, NetworkId, TaskId};
use plan::tasks::CurrentView;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::watch;

/// An endpoint that a container is about to get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSpec {
    /// Its task.
    pub task: TaskId,
    /// Its network.
    pub network: NetworkId,
    /// Its address with the subnet's prefix length.
    pub address: IpNet,
    /// Its hardware address.
    pub mac: Mac,
    /// Next hop of the default route; `Some` for the gateway endpoint of a container only.
    pub gateway: Option<IpAddr>,
    /// What its device is called in the container.
    pub device: String,
}

/// A container's network namespace, held open.
pub type Namespace = Arc<File>;

/// Whose question a source address of the resolver's clients stands for: local index -> task. One index per endpoint;
/// the view of a container's names spans all its networks, so the task is what counts.
pub type DnsClients = Arc<BTreeMap<u32, (TaskId, NetworkId)>>;

/// The network could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct NetworkError(pub String);

/// The node's network.
pub trait Network: Send + Sync + 'static {
    /// Makes links and kernel maps what the view says; as long as it is not confirmed, without taking away what it does not
    /// name. Returns when the kernel has it.
    fn reconcile(&self, current: CurrentView) -> BoxFuture<'_, Result<(), NetworkError>>;

    /// Makes the endpoint's veth pair, its program and its map rows now, ahead of the next pass, and puts its device with
    /// address and routes into the namespace. It goes with the namespace.
    fn ensure_endpoint(&self, endpoint: EndpointSpec, into: Namespace) -> BoxFuture<'_, Result<(), NetworkError>>;

    /// What is in the kernel, by name: rows per map, links, programs, drops by reason.
    fn counts(&self) -> BoxFuture<'_, Result<Vec<(String, u64)>, NetworkError>>;

    /// Takes everything of ours out of the kernel.
    fn detach_all(&self) -> BoxFuture<'_, Result<(), NetworkError>>;

    /// Which endpoint each source address of the resolver's clients stands for.
    fn dns_clients(&self) -> watch::Receiver<DnsClients>;

    /// The namespace in which the resolver listens; `None`: containers cannot ask anybody.
    fn resolver(&self) -> Option<Namespace>;
}
