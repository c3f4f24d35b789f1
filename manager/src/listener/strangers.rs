//! Connections that have shown no certificate, or none yet: a few for each source, so that nobody without one keeps the
//! nodes out. A machine that joins needs one at a time.
//!
//! Where a node is there may be more: its agent and manager come from there, many nodes may be behind one address, and so
//! may containers that mean harm. Those wait their turn, and keep out nobody who comes from elsewhere.

use std::{
    collections::BTreeMap,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use control::source_network;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// At a time, from one source.
const PER_SOURCE: usize = 32;
/// At a time, from an address where a node is.
const PER_NODE_ADDR: usize = 4096;
/// Handshakes under way at a time from one source.
const HANDSHAKES_PER_SOURCE: usize = 64;
/// Handshakes under way at a time from all sources where no node is.
const HANDSHAKES: usize = 256;

/// Whether a node is known to be at an address.
pub(crate) type IsNode = Box<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// What a source has.
struct Source {
    connections: usize,
    /// Of those, how many have shaken hands and shown no certificate.
    bare: usize,
    turns: Arc<Semaphore>,
}

/// What each source has that has something.
type Sources = Arc<Mutex<BTreeMap<IpAddr, Source>>>;

/// See the module.
pub(super) struct Strangers {
    sources: Sources,
    handshakes: Arc<Semaphore>,
    is_node: IsNode,
}

/// The place of a connection, until it is dropped.
pub(super) struct Place {
    sources: Sources,
    source: IpAddr,
    turns: Arc<Semaphore>,
    is_bare: bool,
    /// Of the handshakes of all; `None` for one that comes from where a node is, after those.
    _handshake: Option<OwnedSemaphorePermit>,
}

fn lock(sources: &Sources) -> MutexGuard<'_, BTreeMap<IpAddr, Source>> {
    sources.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Source {
    fn default() -> Self {
        Self {
            connections: 0,
            bare: 0,
            turns: Arc::new(Semaphore::new(HANDSHAKES_PER_SOURCE)),
        }
    }
}

impl Strangers {
    /// `is_node` is asked only where there are many.
    pub(super) fn new(is_node: IsNode) -> Self {
        Self {
            sources: Sources::default(),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES)),
            is_node,
        }
    }

    /// A place for a connection from there, if there is one left.
    pub(super) fn place(&self, from: IpAddr) -> Option<Place> {
        let source = source_network(from);
        let taken = lock(&self.sources).get(&source).map_or(0, |source| source.connections);
        let free = || self.handshakes.clone().try_acquire_owned().ok();
        let handshake = (taken < PER_SOURCE).then(free).flatten();
        let more = || taken < PER_NODE_ADDR && (self.is_node)(from.to_canonical());
        if handshake.is_none() && !more() {
            return None;
        }
        let mut sources = lock(&self.sources);
        let entry = sources.entry(source).or_default();
        entry.connections += 1;
        Some(Place {
            sources: self.sources.clone(),
            source,
            turns: entry.turns.clone(),
            is_bare: false,
            _handshake: handshake,
        })
    }
}

impl Place {
    /// Waits until one more of its source may shake hands; others may not as long as what comes out is kept.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        self.turns.clone().acquire_owned().await.ok()
    }

    /// For a connection that has shaken hands and shown no certificate: its place until it ends, if its source may have
    /// one more such connection, whoever is there.
    pub(super) fn without_certificate(mut self) -> Option<Self> {
        self._handshake = None;
        self.is_bare = lock(&self.sources).get_mut(&self.source).is_some_and(Source::take_bare);
        self.is_bare.then_some(self)
    }
}

impl Source {
    fn take_bare(&mut self) -> bool {
        let free = self.bare < PER_SOURCE;
        self.bare += usize::from(free);
        free
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut sources = lock(&self.sources);
        if let Some(entry) = sources.get_mut(&self.source) {
            entry.connections -= 1;
            entry.bare -= usize::from(self.is_bare);
            if entry.connections == 0 {
                sources.remove(&self.source);
            }
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({})", self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn strangers() -> Strangers {
        Strangers::new(Box::new(|from| from == addr("192.0.2.1")))
    }

    fn take(strangers: &Strangers, from: &str, count: usize) -> Vec<Place> {
        let places = (0..count).map_while(|_| strangers.place(addr(from)));
        places.collect()
    }

    #[test]
    fn each_source_has_a_few_places_and_nodes_have_all_that_they_need() {
        let strangers = strangers();
        let held = take(&strangers, "2001:db8::1", 100);
        assert_eq!(held.len(), PER_SOURCE);
        assert!(
            take(&strangers, "2001:db8::2", 1).is_empty(),
            "one host may have 64 bits for itself"
        );
        assert_eq!(take(&strangers, "2001:db8:0:1::1", 100).len(), PER_SOURCE);
        assert_eq!(take(&strangers, "::ffff:192.0.2.1", 100).len(), 100);
        drop(held);
        assert_eq!(take(&strangers, "2001:db8::2", 1).len(), 1);
        assert!(lock(&strangers.sources).is_empty());
    }

    #[test]
    fn many_sources_together_keep_no_node_out() {
        let strangers = strangers();
        let from = |n: usize| format!("198.51.100.{n}");
        let silent: Vec<_> = (0..100).flat_map(|n| take(&strangers, &from(n), PER_SOURCE)).collect();
        assert_eq!(silent.len(), HANDSHAKES);
        assert!(take(&strangers, "203.0.113.1", 1).is_empty());
        assert_eq!(take(&strangers, "192.0.2.1", 100).len(), 100);
    }

    #[tokio::test]
    async fn containers_of_a_node_keep_no_other_out_and_have_a_few_connections_without_a_certificate() {
        let strangers = strangers();
        let flood = take(&strangers, "192.0.2.1", 10_000);
        assert_eq!(flood.len(), PER_NODE_ADDR);
        let mut turns = Vec::new();
        for place in &flood[..HANDSHAKES_PER_SOURCE] {
            turns.extend(place.turn().await);
        }
        {
            let next = std::pin::pin!(flood[HANDSHAKES_PER_SOURCE].turn());
            assert!(futures::poll!(next).is_pending(), "it waits for its turn");
        }
        let other = strangers.place(addr("203.0.113.1")).unwrap();
        assert!(other.turn().await.is_some());
        let kept: Vec<_> = flood.into_iter().filter_map(Place::without_certificate).collect();
        assert_eq!(kept.len(), PER_SOURCE);
        drop((kept, other));
        assert!(lock(&strangers.sources).is_empty());
    }
}
