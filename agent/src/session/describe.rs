//! What the node says of its machine, gathered anew from time to time.

mod holders;

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};

use ipnet::IpNet;
use model::{GenericResource, HeldPort, NodeDescription};
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use self::holders::Holders;
use crate::{
    dns,
    link::{LinkError, LinkEvents, Links, Netlink, underlay_mtu},
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

/// What only the daemon knows of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its tunnel endpoint.
    pub vtep: IpAddr,
    /// Resources with operators' names; they stand for all of their kind that the engine has.
    pub generic_resources: Vec<GenericResource>,
}

/// Gathers descriptions into `description` until the handle is aborted; only changes are published. The first one does
/// not wait for an engine that is slow: the session needs it, and beats whether or not there is an engine.
pub fn spawn(
    runtime: Arc<dyn Runtime>,
    told: Told,
    description: watch::Sender<Option<NodeDescription>>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut known = Engine::default();
        let mut observer = None;
        let mut patience = FIRST_PATIENCE;
        loop {
            known.ask(&*runtime, patience).await;
            match observe(&mut observer, &known, &told).await {
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
async fn observe(observer: &mut Option<Observer>, engine: &Engine, told: &Told) -> Result<NodeDescription, LinkError> {
    let observer = match observer {
        Some(observer) => observer,
        None => observer.insert(Observer::open()?),
    };
    observer.describe(engine, told).await
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
pub async fn now(runtime: &dyn Runtime, told: &Told) -> Result<NodeDescription, DescribeError> {
    let engine = Engine {
        facts: runtime.facts().await?,
        held: runtime.published_ports().await?,
        error: String::new(),
    };
    Ok(Observer::open()?.describe(&engine, told).await?)
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

    async fn describe(&mut self, engine: &Engine, told: &Told) -> Result<NodeDescription, LinkError> {
        let mut held = engine.held.clone();
        let mtu = underlay_mtu(&self.links.dump().await?, told.vtep).unwrap_or(USUAL_MTU);
        let mut prefixes = self.links.prefixes().await?;
        prefixes.extend(dns::upstream::read().into_iter().map(IpNet::from));
        held.extend(self.holders.name(self.links.listeners()).await);
        held.sort();
        held.dedup_by_key(|h| (h.port, h.protocol));
        Ok(assemble(engine, told, mtu, prefixes, held))
    }
}

fn assemble(engine: &Engine, told: &Told, mtu: u16, prefixes: Vec<IpNet>, held: Vec<HeldPort>) -> NodeDescription {
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
        vtep: told.vtep,
        underlay_mtu: mtu,
        taken_prefixes: taken.into_iter().collect(),
        held_ports: held,
        engine_error: engine.error.clone(),
        generic_resources: offered(&facts.generic_resources, &told.generic_resources),
        plugins: facts.plugins,
    }
}

/// What the daemon was told, and what the engine has of other kinds.
fn offered(engine: &[GenericResource], told: &[GenericResource]) -> Vec<GenericResource> {
    let other = |resource: &&GenericResource| told.iter().all(|told| told.kind() != resource.kind());
    told.iter().chain(engine.iter().filter(other)).cloned().collect()
}

/// The host name of this process' UTS namespace.
fn hostname() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(text.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::fake::FakeRuntime;

    fn here(resources: &[&str]) -> Told {
        Told {
            vtep: "192.0.2.1".parse().unwrap(),
            generic_resources: resources.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn what_the_daemon_was_told_of_a_kind_stands_for_all_of_it() {
        let facts = EngineFacts {
            generic_resources: here(&["SSD=3", "GPU=a", "GPU=b"]).generic_resources,
            plugins: vec!["Volume/local".to_owned()],
            ..EngineFacts::default()
        };
        let engine = Engine {
            facts,
            ..Engine::default()
        };
        let described = assemble(&engine, &here(&["GPU=c"]), 1500, Vec::new(), Vec::new());
        let texts: Vec<String> = described.generic_resources.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["GPU=c", "SSD=3"]);
        assert_eq!(described.plugins, ["Volume/local"]);
    }

    #[tokio::test]
    async fn an_engine_that_does_not_answer_is_told_and_keeps_nobody_waiting() {
        let engine = Arc::new(FakeRuntime::default());
        engine.hang(true);
        let (told, mut seen) = watch::channel(None);
        let describing = spawn(engine.clone(), here(&[]), told);
        let silent = |d: &Option<NodeDescription>| d.as_ref().is_some_and(|d| d.engine_error.contains("not answer"));
        let within = Duration::from_secs(60);
        timeout(within, seen.wait_for(silent)).await.unwrap().unwrap();
        engine.hang(false);
        let answers = |d: &Option<NodeDescription>| d.as_ref().is_some_and(|d| d.engine_error.is_empty());
        timeout(within, seen.wait_for(answers)).await.unwrap().unwrap();
        describing.abort();
    }
}
