//! This manager's peers: which node a raft id belongs to, where that node's control port is, and connections to it for
//! raft messages. Peers are verified by node id; an address is only where to try.
//!
//! Four sources, none of which is enough alone: the state (a member that joins has none yet, one that lags has an old
//! one), what this node's own session was told by another manager, for members younger than the state what peers that
//! are known say of them while nobody leads, and for addresses what peers say when they call, which is how managers
//! that moved find each other before they can agree on anything. If all have moved at once, two more help: an
//! operator's hints, and the addresses of all other nodes, since addresses are often given to other machines.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use model::NodeId;
use peer::Hints;
use store::View;
use tokio::sync::watch;
use tonic::transport::Channel;
use wire::pb::{self, raft_ack::Verdict};

use crate::{
    config::NodeCredentials,
    raft::{Driver, Introduction, Outbound},
    tls,
};

/// A member of raft as a session was told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownManager {
    /// Raft id.
    pub member: u64,
    /// Its node.
    pub node: NodeId,
    /// Its control port.
    pub addr: SocketAddr,
}

/// Raft's members as a state has them, but for those that nobody knows where to reach.
pub fn known_managers(view: &View) -> impl Iterator<Item = KnownManager> {
    view.managers().filter_map(|node| {
        Some(KnownManager {
            member: node.raft_id?,
            node: node.id,
            addr: node.manager_addr?,
        })
    })
}

impl From<KnownManager> for pb::ManagerAddr {
    fn from(known: KnownManager) -> Self {
        Self {
            node: known.node.to_string(),
            addr: known.addr.to_string(),
            leader: false,
            raft_id: known.member,
        }
    }
}

fn parse(given: &pb::ManagerAddr) -> Option<KnownManager> {
    Some(KnownManager {
        member: given.raft_id,
        node: given.node.parse().ok()?,
        addr: given.addr.parse().ok()?,
    })
}

/// So many are remembered at most: there are fewer managers, and who vouches may be wrong.
const MOST_VOUCHED: usize = 16;

/// Finds, verifies and dials managers. The driver is set once it runs: it needs its transport first.
#[derive(Clone, Debug)]
pub(crate) struct Peers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    own: Introduction,
    credentials: watch::Receiver<NodeCredentials>,
    driver: OnceLock<Driver>,
    told: watch::Receiver<Vec<KnownManager>>,
    /// Members younger than the state here, for which one that is known has vouched: a voter that lags must answer one that
    /// has come since, or the two may never have a majority (Ongaro, "Consensus: bridging theory and practice", 4.1).
    vouched: Mutex<BTreeMap<u64, KnownManager>>,
    hints: Hints,
    /// Where each member said that it is, when it called last.
    heard: Mutex<BTreeMap<u64, SocketAddr>>,
    /// How often each member was dialled: addresses are tried in turn.
    attempts: Mutex<BTreeMap<u64, usize>>,
    removed: watch::Sender<bool>,
}

/// What raft's member `member` is to `node`, as far as `view` and `told` know.
pub fn verdict(view: &View, told: &[KnownManager], member: u64, node: NodeId) -> Verdict {
    match view.member(member) {
        Some(known) if known.id == node => Verdict::Taken,
        Some(_) => Verdict::Stranger,
        None if control::is_released(view, member) => Verdict::Removed,
        // Younger than the state here.
        None if told.iter().any(|k| (k.member, k.node) == (member, node)) => Verdict::Taken,
        None => Verdict::Stranger,
    }
}

/// Where a member may be, and in which order that is tried.
#[derive(Debug, PartialEq, Eq)]
struct Places {
    /// Where it was, or is said to be; the likeliest first.
    known: Vec<String>,
    /// Where somebody else was.
    others: Vec<String>,
}

impl Places {
    /// So many attempts go to the known places alone: a manager that is down for a moment comes back where it was.
    const PATIENCE: usize = 20;
    /// Later, every so many go elsewhere.
    const ELSEWHERE: usize = 4;

    fn new(known: impl Iterator<Item = String>, others: impl Iterator<Item = String>) -> Self {
        let mut places = Self {
            known: Vec::new(),
            others: Vec::new(),
        };
        for addr in known {
            if !places.known.contains(&addr) {
                places.known.push(addr);
            }
        }
        places.others.extend(others.filter(|addr| !places.known.contains(addr)));
        places
    }

    /// Where the `attempt`-th goes, from 0.
    fn at(&self, attempt: usize) -> Option<&String> {
        let late = attempt
            .checked_sub(Self::PATIENCE)
            .map(|late| (late / Self::ELSEWHERE, late % Self::ELSEWHERE));
        let elsewhere = late.filter(|(_, rest)| *rest == 0 && !self.others.is_empty());
        match elsewhere {
            Some((turn, _)) => self.others.get(turn % self.others.len()),
            None => self.known.get(attempt % self.known.len().max(1)),
        }
    }
}

impl Peers {
    pub(crate) fn new(
        own: Introduction,
        credentials: watch::Receiver<NodeCredentials>,
        told: watch::Receiver<Vec<KnownManager>>,
        hints: Hints,
    ) -> Self {
        Self(Arc::new(Inner {
            own,
            credentials,
            driver: OnceLock::new(),
            told,
            vouched: Mutex::default(),
            hints,
            heard: Mutex::default(),
            attempts: Mutex::default(),
            removed: watch::Sender::new(false),
        }))
    }

    /// Where to look managers up and to report losses.
    pub(crate) fn set_driver(&self, driver: Driver) {
        let _ = self.0.driver.set(driver);
    }

    /// Becomes true when a member says that raft has let this one go.
    pub(crate) fn removed(&self) -> watch::Receiver<bool> {
        self.0.removed.subscribe()
    }

    fn view(&self) -> View {
        let driver = self.0.driver.get();
        driver.map_or_else(View::default, |driver| driver.published().borrow().view.clone())
    }

    /// Whether `node` may speak as raft's member `member`. From one that may, the address is kept.
    pub(crate) fn judge(&self, node: NodeId, member: u64, addr: &str) -> Verdict {
        let verdict = verdict(&self.view(), &self.told(), member, node);
        if let (Verdict::Taken, Ok(addr)) = (verdict, addr.parse()) {
            let mut heard = self.0.heard.lock().unwrap_or_else(PoisonError::into_inner);
            heard.insert(member, addr);
        }
        verdict
    }

    /// A peer that is known says who raft's members are.
    pub(crate) fn vouched(&self, managers: &[pb::ManagerAddr]) {
        let highest = self.view().highest_raft_id();
        let younger = managers.iter().filter_map(parse).filter(|known| known.member > highest);
        let mut vouched = self.0.vouched.lock().unwrap_or_else(PoisonError::into_inner);
        vouched.retain(|member, _| *member > highest);
        vouched.extend(younger.map(|known| (known.member, known)));
        while vouched.len() > MOST_VOUCHED {
            vouched.pop_first();
        }
    }

    /// What others say of members, the node's own session first.
    fn told(&self) -> Vec<KnownManager> {
        let vouched = self.0.vouched.lock().unwrap_or_else(PoisonError::into_inner);
        let told = self.0.told.borrow();
        told.iter().chain(vouched.values()).copied().collect()
    }

    /// The member's node, and the addresses at which it may be.
    fn find(&self, member: u64) -> Option<(NodeId, Places)> {
        let view = self.view();
        let node = view.member(member);
        let told = self.told().into_iter().find(|k| k.member == member);
        let id = node.map(|node| node.id).or_else(|| Some(told?.node))?;
        let heard = self.0.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let known = [
            heard.get(&member).copied(),
            node.and_then(|node| node.manager_addr),
            told.filter(|k| k.node == id).map(|k| k.addr),
        ];
        let known = known.into_iter().flatten().map(|addr| addr.to_string());
        let others = view
            .nodes()
            .filter_map(|node| node.manager_addr)
            .map(|addr| addr.to_string());
        Some((id, Places::new(known.chain(self.0.hints.now()), others)))
    }

    fn attempt(&self, member: u64) -> usize {
        let mut attempts = self.0.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = attempts.entry(member).or_default();
        *count += 1;
        *count - 1
    }

    fn dialled(&self, member: u64) {
        let mut attempts = self.0.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.remove(&member);
    }

    /// A channel to the member, or why not. Repeated, it tries one address after the other.
    pub(crate) async fn dial(&self, to: u64) -> Result<Channel, String> {
        let (node, places) = self.find(to).ok_or_else(|| format!("manager {to} is not known"))?;
        let addr = places.at(self.attempt(to));
        let addr = addr.ok_or_else(|| format!("nobody knows where manager {node} is"))?;
        let config = tls::client_config(&self.0.credentials.borrow(), node).map_err(|why| why.to_string())?;
        let channel = peer::connect(addr, config).await;
        let channel = channel.map_err(|why| format!("manager {node}: {why}"))?;
        self.dialled(to);
        Ok(channel)
    }
}

impl Outbound for Peers {
    fn introduction(&self) -> Introduction {
        let published = self.0.driver.get().map(|driver| driver.published().borrow().clone());
        let leaderless = published.filter(|published| published.standing.leader.is_none());
        let managers = leaderless.iter().flat_map(|published| known_managers(&published.view));
        Introduction {
            managers: managers.map(Into::into).collect(),
            ..self.0.own.clone()
        }
    }

    async fn connect(&self, to: u64) -> Result<Channel, String> {
        self.dial(to).await
    }

    fn lost(&self, to: u64) {
        if let Some(driver) = self.0.driver.get() {
            driver.unreachable(to);
        }
    }

    fn snapshot_ended(&self, to: u64, arrived: bool) {
        if let Some(driver) = self.0.driver.get() {
            driver.snapshot_ended(to, arrived);
        }
    }

    fn removed(&self) {
        self.0.removed.send_replace(true);
    }
}

#[cfg(test)]
mod tests;
