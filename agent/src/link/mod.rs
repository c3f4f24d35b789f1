//! Network devices of the node: what there is, the links that are ours, and the news of both.
//!
//! The only module that speaks rtnetlink, and none of its types leave it. Called by the network actor alone, which
//! is the one writer of our links; everybody else's are only read.

mod addresses;
mod fake;
mod inside;
mod listeners;
mod netlink;
mod overlay;
mod resolver;
mod sysctl;

use std::{collections::BTreeMap, future::Future, net::IpAddr};

use futures::future::BoxFuture;
use ipnet::IpNet;
use model::Mac;
use plan::network::Link;
use thiserror::Error;
use tokio::sync::mpsc;

use crate::network::Namespace;

pub use fake::FakeLinks;
pub use listeners::{Listener, listeners};
pub use netlink::Netlink;
pub use resolver::empty_namespace;

/// Devices of the namespace by name.
pub type LinkTable = BTreeMap<String, Link>;

/// Something about a link could not be done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LinkError {
    /// The kernel refused.
    #[error("{action}: {reason}")]
    Refused {
        /// What was tried, with the object's name.
        action: String,
        /// The kernel's words.
        reason: String,
    },
    /// Another socket has the tunnel's port.
    #[error(
        "UDP port {port} is in use on this host (by another VXLAN device, or by Docker Swarm's overlay networks): \
         choose another one for the whole cluster with `netctl swarm init --data-path-port`"
    )]
    DataPortBusy {
        /// The port.
        port: u16,
    },
    /// No netlink socket.
    #[error("netlink does not answer: {0}; netd needs root and CONFIG_NET")]
    NoNetlink(String),
}

/// The links that every node has, whatever runs on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnLinks {
    /// UDP port of the tunnels.
    pub data_port: u16,
    /// The node's tunnel endpoint, also the source of host processes towards published ports.
    pub vtep: IpAddr,
    /// MTU of the host's own pair: that of containers.
    pub mtu: u16,
}

/// A container's veth pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairSpec {
    /// Name of the host end.
    pub host: String,
    /// Name of the end that goes into the container.
    pub peer: String,
    /// Hardware address of that end.
    pub mac: Mac,
    /// MTU of both.
    pub mtu: u16,
}

/// How a link that is in a container shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inside {
    /// Its name there.
    pub name: String,
    /// Its address with the subnet's prefix length.
    pub address: IpNet,
    /// Next hop of the container's default route, if this link has it.
    pub gateway: Option<IpAddr>,
}

/// Gives a link that is in a container's namespace its address and routes, and sets it up.
pub type Furnishing = BoxFuture<'static, Result<(), LinkError>>;

/// Devices of one network namespace.
pub trait Links {
    /// All devices, with their addresses.
    fn dump(&self) -> impl Future<Output = Result<LinkTable, LinkError>>;
    /// Makes our own links what they should be; does nothing where they are.
    fn ensure_own(&self, own: &OwnLinks) -> impl Future<Output = Result<(), LinkError>>;
    /// Makes a pair, or keeps it if both ends are still here. A host end whose other end has gone elsewhere is
    /// replaced: the container is started anew.
    fn ensure_pair(&self, pair: &PairSpec) -> impl Future<Output = Result<(), LinkError>>;
    /// Moves a link into a namespace. What is left to do there needs nobody's link table, and is the caller's to wait for.
    fn enter(
        &self,
        link: &str,
        namespace: &Namespace,
        inside: Inside,
    ) -> impl Future<Output = Result<Furnishing, LinkError>>;
    /// Deletes a device and with it the other end of its pair. None is no error.
    fn delete(&self, name: &str) -> impl Future<Output = Result<(), LinkError>>;
    /// Prefixes that the host has addresses in or routes of, default routes left out.
    fn prefixes(&self) -> impl Future<Output = Result<Vec<IpNet>, LinkError>>;
    /// Sockets that wait for traffic from others.
    fn listeners(&self) -> Vec<Listener>;
}

/// A message each time when devices or addresses may have changed; several changes may come as one.
pub type LinkEvents = mpsc::Receiver<()>;

/// MTU of the device that has `addr`: what the tunnel's packets may measure.
pub fn underlay_mtu(links: &LinkTable, addr: IpAddr) -> Option<u16> {
    let link = links.values().find(|link| link.addrs.contains(&addr))?;
    Some(u16::try_from(link.mtu).unwrap_or(u16::MAX))
}
