//! What the node says of its machine, gathered anew from time to time.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};

use ipnet::IpNet;
use model::{HeldPort, NodeDescription, Protocol};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    dns,
    link::{LinkError, LinkEvents, Links, Listener, Netlink, underlay_mtu},
    runtime::{EngineFacts, Runtime, RuntimeError},
};

/// Between two looks at the machine.
const PERIOD: Duration = Duration::from_secs(10);
/// While the engine does not answer, it is asked this often.
const RETRY: Duration = Duration::from_secs(1);
/// Assumed where the tunnel's device cannot be found.
const USUAL_MTU: u16 = 1500;
/// First port of the kernel's usual ephemeral range: a UDP socket there is most often a client that will be gone soon.
const EPHEMERAL_FIRST: u16 = 32768;

/// Gathers descriptions into `description` until the handle is aborted; only changes are published.
pub fn spawn(
    runtime: Arc<dyn Runtime>,
    vtep: IpAddr,
    description: watch::Sender<Option<NodeDescription>>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut observer = None;
        loop {
            let pause = match observe(&*runtime, vtep, &mut observer).await {
                Ok(found) => {
                    description.send_if_modified(|old| {
                        let differs = old.as_ref() != Some(&found);
                        *old = Some(found);
                        differs
                    });
                    PERIOD
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot describe this node");
                    RETRY
                }
            };
            tokio::time::sleep(pause).await;
        }
    })
}

/// Describes with the observer that is there, or a new one.
async fn observe(
    runtime: &dyn Runtime,
    vtep: IpAddr,
    observer: &mut Option<Observer>,
) -> Result<NodeDescription, DescribeError> {
    let observer = match observer {
        Some(observer) => observer,
        None => observer.insert(Observer::open()?),
    };
    observer.describe(runtime, vtep).await
}

/// Why a node cannot be described.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// The engine does not say what it is.
    #[error(transparent)]
    Engine(#[from] RuntimeError),
    /// The kernel does not list its devices.
    #[error(transparent)]
    Links(#[from] LinkError),
}

/// Looks once; for a node whose agent does not run yet.
pub async fn now(runtime: &dyn Runtime, vtep: IpAddr) -> Result<NodeDescription, DescribeError> {
    Observer::open()?.describe(runtime, vtep).await
}

/// Looks at the machine.
struct Observer {
    links: Netlink,
    /// News of links fill it once and then wait: the next look is soon enough.
    _news: LinkEvents,
    holders: Holders,
}

impl Observer {
    fn open() -> Result<Self, LinkError> {
        let (links, news) = Netlink::open()?;
        Ok(Self {
            links,
            _news: news,
            holders: Holders::default(),
        })
    }

    async fn describe(&mut self, runtime: &dyn Runtime, vtep: IpAddr) -> Result<NodeDescription, DescribeError> {
        let facts = runtime.facts().await?;
        let mut held = runtime.published_ports().await?;
        let mtu = underlay_mtu(&self.links.dump().await?, vtep).unwrap_or(USUAL_MTU);
        let mut prefixes = self.links.prefixes().await?;
        prefixes.extend(dns::upstream::read().into_iter().map(IpNet::from));
        held.extend(self.holders.name(self.links.listeners()).await);
        held.sort();
        held.dedup_by_key(|h| (h.port, h.protocol));
        Ok(assemble(facts, vtep, mtu, prefixes, held))
    }
}

fn assemble(facts: EngineFacts, vtep: IpAddr, mtu: u16, prefixes: Vec<IpNet>, held: Vec<HeldPort>) -> NodeDescription {
    // Link-local prefixes are the same on every node and never given to networks.
    let link_local = |p: &IpNet| matches!(p.addr(), IpAddr::V4(v4) if v4.is_link_local() || v4.is_loopback());
    let taken: BTreeSet<IpNet> = prefixes
        .into_iter()
        .filter(|p| !link_local(p))
        .map(|p| p.trunc())
        .collect();
    NodeDescription {
        hostname: hostname().unwrap_or(facts.hostname),
        os: "linux".to_owned(),
        arch: facts.arch,
        engine_version: facts.version,
        engine_labels: facts.labels,
        nano_cpus: facts.nano_cpus,
        memory_bytes: facts.memory_bytes,
        vtep,
        underlay_mtu: mtu,
        taken_prefixes: taken.into_iter().collect(),
        held_ports: held,
    }
}

/// The host name of this process' UTS namespace.
fn hostname() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(text.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Names of those who hold ports; finding one reads all of `/proc`, so it is done once per set of listeners.
#[derive(Default)]
struct Holders {
    listeners: Vec<Listener>,
    named: Vec<HeldPort>,
}

impl Holders {
    async fn name(&mut self, listeners: Vec<Listener>) -> Vec<HeldPort> {
        let lasting = |l: &Listener| l.protocol == Protocol::Tcp || l.port < EPHEMERAL_FIRST;
        let listeners: Vec<_> = listeners.into_iter().filter(lasting).collect();
        if listeners != self.listeners {
            let asked = listeners.clone();
            let named = tokio::task::spawn_blocking(move || asked.iter().map(held).collect()).await;
            self.named = named.unwrap_or_default();
            self.listeners = listeners;
        }
        self.named.clone()
    }
}

fn held(listener: &Listener) -> HeldPort {
    HeldPort {
        port: listener.port,
        protocol: listener.protocol,
        holder: listener.holder(),
    }
}
