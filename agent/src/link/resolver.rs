//! The resolver's network namespace and the pair that leads into it. Its sockets are in there, where they share port 53
//! with nobody, and where no firewall of the host's and no port that the engine publishes gets between it and containers.
//!
//! The namespace lives as long as the daemon: the kernel takes it away, and the pair with it, once its last socket and
//! handle are gone.

use std::{
    fs::File,
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use ipnet::{IpNet, Ipv4Net};
use model::Mac;
use nix::sched::{CloneFlags, unshare};
use plan::network::{RESOLVER_LINK, RESOLVER_PEER_LINK};

use super::{Inside, LinkError, Links, PairSpec, netlink::Netlink};
use crate::network::Namespace;

/// Of [`abi::DNS_ADDR`]: the addresses with a meaning inside the node.
const PREFIX: u8 = 24;
/// What the pair's end is called in there.
const DEVICE: &str = "eth0";

/// The namespace, and whether the pair leads into it.
pub(super) struct Room {
    namespace: Namespace,
    /// False: what pair there is was made by an earlier run, and leads into what is about to go.
    ours: AtomicBool,
}

impl Room {
    pub(super) fn new(namespace: Namespace) -> Self {
        let ours = AtomicBool::new(false);
        Self { namespace, ours }
    }
}

/// A network namespace without anything in it.
pub fn empty_namespace() -> io::Result<Namespace> {
    let made = thread::Builder::new().name("resolver".to_owned()).spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        File::open("/proc/thread-self/ns/net")
    })?;
    let joined = made.join().map_err(|_| io::Error::other("its thread has panicked"))?;
    joined.map(Arc::new)
}

/// Makes the pair, or keeps it. Nothing to do where nobody resolves.
pub(super) async fn ensure(netlink: &Netlink, mtu: u16) -> Result<(), LinkError> {
    let Some(room) = &netlink.room else { return Ok(()) };
    let links = netlink.dump().await?;
    let stands = |name| {
        links
            .get(name)
            .is_some_and(|link| link.up && link.mtu == u32::from(mtu))
    };
    if room.ours.load(Ordering::Relaxed) && stands(RESOLVER_LINK) {
        return Ok(());
    }
    room.ours.store(false, Ordering::Relaxed);
    netlink.delete(RESOLVER_LINK).await?;
    let pair = PairSpec {
        host: RESOLVER_LINK.to_owned(),
        peer: RESOLVER_PEER_LINK.to_owned(),
        mac: Mac(abi::RESOLVER_MAC),
        mtu,
    };
    netlink.ensure_pair(&pair).await?;
    let inside = Inside {
        name: DEVICE.to_owned(),
        address: IpNet::V4(Ipv4Net::new_assert(abi::DNS_ADDR, PREFIX)),
        gateway: Some(IpAddr::V4(abi::HOST_GATEWAY)),
    };
    netlink
        .enter(RESOLVER_PEER_LINK, &room.namespace, inside)
        .await?
        .await?;
    room.ours.store(true, Ordering::Relaxed);
    Ok(())
}
