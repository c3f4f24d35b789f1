//! What the node says of its machine, gathered anew from time to time.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};

use ipnet::IpNet;
use model::{HeldPort, NodeDescription, Protocol};
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use crate::{
    dns,
    link::{LinkError, LinkEvents, Links, Listener, Netlink, underlay_mtu},
    runtime::{EngineFacts, Runtime, RuntimeError},
};

/// Between two looks at the machine.
const PERIOD: Duration = Duration::from_secs(10);
/// Between two questions whether the engine still answers.
const PULSE: Duration = Duration::from_secs(2);
/// After a look that failed, or while the engine does not answer.
const RETRY: Duration = Duration::from_secs(1);
/// How long the engine has for an answer; less for the first, since the session waits for it.
const PATIENCE: Duration = Duration::from_secs(3);
const FIRST_PATIENCE: Duration = Duration::from_millis(500);
/// Assumed where the tunnel's device cannot be found.
const USUAL_MTU: u16 = 1500;
/// First port of the kernel's usual ephemeral range: a UDP socket there is most often a client that will be gone soon.
const EPHEMERAL_FIRST: u16 = 32768;

/// Gathers descriptions into `description` until the handle is aborted; only changes are published. The first one does
/// not wait for an engine that is slow: the session needs it, and beats whether or not there is an engine.
pub fn spawn(
    runtime: Arc<dyn Runtime>,
    vtep: IpAddr,
    description: watch::Sender<Option<NodeDescription>>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut known = Engine::default();
        let mut observer = None;
        let mut patience = FIRST_PATIENCE;
        loop {
            known.ask(&*runtime, patience).await;
            match observe(&mut observer, &known, vtep).await {
                Ok(found) => {
                    patience = PATIENCE;
                    description.send_if_modified(|old| {
                        let differs = old.as_ref() != Some(&found);
                        *old = Some(found);
                        differs
                    });
                    rest(&*runtime, &known).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot describe this node");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    })
}

/// Until the next look: the period, or as soon as the engine falls silent.
async fn rest(runtime: &dyn Runtime, known: &Engine) {
    if !known.error.is_empty() {
        return tokio::time::sleep(RETRY).await;
    }
    let silent = async {
        loop {
            tokio::time::sleep(PULSE).await;
            if !matches!(timeout(PATIENCE, runtime.ping()).await, Ok(Ok(()))) {
                return;
            }
        }
    };
    // The end of the period and a silent engine both ask for the same: the next look.
    let _ = timeout(PERIOD, silent).await;
}

/// What is known of the engine.
#[derive(Default)]
struct Engine {
    facts: EngineFacts,
    held: Vec<HeldPort>,
    /// Why it does not answer; empty if it does.
    error: String,
}

impl Engine {
    /// Asks it; without an answer in time what it said last is kept.
    async fn ask(&mut self, runtime: &dyn Runtime, patience: Duration) {
        let asked = async { Ok((runtime.facts().await?, runtime.published_ports().await?)) };
        let error = match timeout(patience, asked).await {
            Ok(Ok((facts, held))) => {
                *self = Self {
                    facts,
                    held,
                    error: String::new(),
                };
                return;
            }
            Ok(Err(error)) => RuntimeError::to_string(&error),
            Err(_) => "the container engine does not answer".to_owned(),
        };
        if self.error != error {
            tracing::warn!(%error, "the container engine");
        }
        self.error = error;
    }
}

/// Describes with the observer that is there, or a new one.
async fn observe(observer: &mut Option<Observer>, engine: &Engine, vtep: IpAddr) -> Result<NodeDescription, LinkError> {
    let observer = match observer {
        Some(observer) => observer,
        None => observer.insert(Observer::open()?),
    };
    observer.describe(engine, vtep).await
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
    let engine = Engine {
        facts: runtime.facts().await?,
        held: runtime.published_ports().await?,
        error: String::new(),
    };
    Ok(Observer::open()?.describe(&engine, vtep).await?)
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

    async fn describe(&mut self, engine: &Engine, vtep: IpAddr) -> Result<NodeDescription, LinkError> {
        let mut held = engine.held.clone();
        let mtu = underlay_mtu(&self.links.dump().await?, vtep).unwrap_or(USUAL_MTU);
        let mut prefixes = self.links.prefixes().await?;
        prefixes.extend(dns::upstream::read().into_iter().map(IpNet::from));
        held.extend(self.holders.name(self.links.listeners()).await);
        held.sort();
        held.dedup_by_key(|h| (h.port, h.protocol));
        Ok(assemble(engine, vtep, mtu, prefixes, held))
    }
}

fn assemble(engine: &Engine, vtep: IpAddr, mtu: u16, prefixes: Vec<IpNet>, held: Vec<HeldPort>) -> NodeDescription {
    // Link-local prefixes are the same on every node and never given to networks.
    let link_local = |p: &IpNet| matches!(p.addr(), IpAddr::V4(v4) if v4.is_link_local() || v4.is_loopback());
    let taken: BTreeSet<IpNet> = prefixes
        .into_iter()
        .filter(|p| !link_local(p))
        .map(|p| p.trunc())
        .collect();
    let facts = engine.facts.clone();
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
        engine_error: engine.error.clone(),
        generic_resources: Vec::new(),
        plugins: Vec::new(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::fake::FakeRuntime;

    #[tokio::test]
    async fn an_engine_that_does_not_answer_is_told_and_keeps_nobody_waiting() {
        let engine = Arc::new(FakeRuntime::default());
        engine.hang(true);
        let (told, mut seen) = watch::channel(None);
        let describing = spawn(engine.clone(), "192.0.2.1".parse().unwrap(), told);
        let silent = |d: &Option<NodeDescription>| d.as_ref().is_some_and(|d| d.engine_error.contains("not answer"));
        let within = Duration::from_secs(60);
        timeout(within, seen.wait_for(silent)).await.unwrap().unwrap();
        engine.hang(false);
        let answers = |d: &Option<NodeDescription>| d.as_ref().is_some_and(|d| d.engine_error.is_empty());
        timeout(within, seen.wait_for(answers)).await.unwrap().unwrap();
        describing.abort();
    }
}
