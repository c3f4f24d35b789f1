//! [`Links`] over rtnetlink, in the network namespace of the thread that opened it.

use std::{future::Future, net::IpAddr};

use futures::{StreamExt, TryStreamExt};
use ipnet::IpNet;
use netlink_packet_route::link::{InfoData, InfoVeth};
use rtnetlink::{
    Handle, LinkMessageBuilder, LinkUnspec, LinkVeth, MulticastGroup, new_connection, new_multicast_connection,
};
use tokio::{sync::mpsc, task::AbortHandle};

use super::{
    Furnishing, Inside, LinkError, LinkEvents, LinkTable, Links, Listener, OwnLinks, PairSpec, addresses, inside,
    overlay, resolver::Room, sysctl,
};
use crate::network::Namespace;

/// Kernel's devices. Its socket belongs to the namespace of the thread that made it, and its connection runs as a task
/// of the current runtime.
pub struct Netlink {
    pub(super) handle: Handle,
    /// Of the resolver, if its pair is made here.
    pub(super) room: Option<Room>,
    /// The connections and the watcher; they end with this value.
    tasks: [AbortHandle; 3],
}

impl Drop for Netlink {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// What a failed request says about the object.
pub(super) enum Failure {
    Missing,
    Exists,
    Busy,
    Other(String),
}

impl From<rtnetlink::Error> for Failure {
    fn from(error: rtnetlink::Error) -> Self {
        match &error {
            rtnetlink::Error::NetlinkError(message) => match -message.raw_code() {
                libc::ENODEV | libc::ENOENT | libc::ESRCH => Self::Missing,
                libc::EEXIST => Self::Exists,
                libc::EADDRINUSE => Self::Busy,
                code => Self::Other(std::io::Error::from_raw_os_error(code).to_string()),
            },
            _ => Self::Other(error.to_string()),
        }
    }
}

impl Failure {
    pub(super) fn about(self, action: impl Into<String>) -> LinkError {
        let reason = match self {
            Self::Missing => "no such device".to_owned(),
            Self::Exists => "it exists already".to_owned(),
            Self::Busy => "address already in use".to_owned(),
            Self::Other(reason) => reason,
        };
        LinkError::Refused {
            action: action.into(),
            reason,
        }
    }
}

impl Netlink {
    /// Opens the calling thread's namespace. Must be called within a runtime.
    pub fn open() -> Result<(Self, LinkEvents), LinkError> {
        let none = |error: std::io::Error| LinkError::NoNetlink(error.to_string());
        let (requests, handle, _) = new_connection().map_err(none)?;
        let groups = [
            MulticastGroup::Link,
            MulticastGroup::Ipv4Ifaddr,
            MulticastGroup::Ipv6Ifaddr,
        ];
        let (news, _, mut messages) = new_multicast_connection(&groups).map_err(none)?;
        let (sender, events) = mpsc::channel(1);
        let watcher = async move {
            // A full channel has news already; messages that the kernel dropped arrive as one about the overrun.
            while messages.next().await.is_some() {
                let _ = sender.try_send(());
            }
        };
        let tasks = [
            tokio::spawn(requests).abort_handle(),
            tokio::spawn(news).abort_handle(),
            tokio::spawn(watcher).abort_handle(),
        ];
        let room = None;
        Ok((Self { handle, room, tasks }, events))
    }

    /// With the namespace that the resolver's pair leads into.
    pub fn with_resolver(mut self, namespace: Namespace) -> Self {
        self.room = Some(Room::new(namespace));
        self
    }

    pub(super) async fn up(&self, index: u32) -> Result<(), Failure> {
        let message = LinkUnspec::new_with_index(index).up().build();
        Ok(self.handle.link().set(message).execute().await?)
    }

    pub(super) async fn add(&self, message: netlink_packet_route::link::LinkMessage) -> Result<(), Failure> {
        Ok(self.handle.link().add(message).execute().await?)
    }

    pub(super) async fn index(&self, name: &str) -> Result<u32, LinkError> {
        index(&self.handle, name).await
    }

    /// Makes a veth pair with the host end up. False: one of its names is taken.
    async fn add_pair(&self, pair: &PairSpec) -> Result<bool, LinkError> {
        let peer = LinkMessageBuilder::<LinkUnspec>::new()
            .name(pair.peer.clone())
            .mtu(pair.mtu.into())
            .address(pair.mac.0.to_vec())
            .build();
        let message = LinkVeth::new(&pair.host, &pair.peer)
            .mtu(pair.mtu.into())
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
            .build();
        let refused = |failure: Failure| failure.about(format!("create link {}", pair.host));
        match self.add(message).await {
            Err(Failure::Exists) => return Ok(false),
            made => made.map_err(refused)?,
        }
        sysctl::without_ipv6(&pair.host)?;
        let index = self.index(&pair.host).await?;
        self.up(index).await.map_err(refused)?;
        Ok(true)
    }
}

/// Index of the link of that name, in the namespace of the handle.
pub(super) async fn index(handle: &Handle, name: &str) -> Result<u32, LinkError> {
    let mut links = handle.link().get().match_name(name.to_owned()).execute();
    match links.try_next().await.map_err(Failure::from) {
        Ok(Some(link)) => Ok(link.header.index),
        Ok(None) => Err(Failure::Missing.about(format!("find link {name}"))),
        Err(failure) => Err(failure.about(format!("find link {name}"))),
    }
}

impl Links for Netlink {
    async fn dump(&self) -> Result<LinkTable, LinkError> {
        addresses::dump(&self.handle).await
    }

    fn ensure_own(&self, own: &OwnLinks) -> impl Future<Output = Result<(), LinkError>> {
        overlay::ensure(self, *own)
    }

    async fn ensure_pair(&self, pair: &PairSpec) -> Result<(), LinkError> {
        // Nearly all are new, and looking is as dear as making.
        if self.add_pair(pair).await? {
            return Ok(());
        }
        match (self.index(&pair.host).await, self.index(&pair.peer).await) {
            (Ok(host), Ok(_)) => {
                let up = self.up(host).await;
                return up.map_err(|failure| failure.about(format!("set up link {}", pair.host)));
            }
            (Ok(_), Err(_)) => self.delete(&pair.host).await?,
            (Err(_), Ok(_)) => self.delete(&pair.peer).await?,
            (Err(_), Err(_)) => {}
        }
        match self.add_pair(pair).await? {
            true => Ok(()),
            false => Err(Failure::Exists.about(format!("create link {}", pair.host))),
        }
    }

    async fn enter(&self, link: &str, namespace: &Namespace, inside: Inside) -> Result<Furnishing, LinkError> {
        inside::enter(self, link, namespace, &inside.name).await?;
        Ok(Box::pin(inside::furnish(namespace.clone(), inside)))
    }

    async fn delete(&self, name: &str) -> Result<(), LinkError> {
        let Ok(index) = self.index(name).await else {
            return Ok(());
        };
        match self.handle.link().del(index).execute().await.map_err(Failure::from) {
            Ok(()) | Err(Failure::Missing) => Ok(()),
            Err(failure) => Err(failure.about(format!("delete link {name}"))),
        }
    }

    async fn prefixes(&self) -> Result<Vec<IpNet>, LinkError> {
        addresses::prefixes(&self.handle).await
    }

    fn listeners(&self) -> Vec<Listener> {
        super::listeners()
    }
}

/// Whether an address belongs to one device only and can be nobody's service.
pub(super) fn is_link_local_v6(addr: &IpAddr) -> bool {
    matches!(addr, IpAddr::V6(v6) if v6.is_unicast_link_local())
}
