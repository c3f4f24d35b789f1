//! Connections that have shown no certificate, or none yet: a few for each source, so that nobody without one keeps the
//! nodes out. A machine that joins needs one at a time.

use std::{
    collections::BTreeMap,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use control::source_network;

/// At a time, from one source.
const PER_SOURCE: usize = 32;

/// Whether a node is known to be at an address.
pub(crate) type IsNode = Box<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// How many each source has.
type Counts = Arc<Mutex<BTreeMap<IpAddr, usize>>>;

/// See the module.
pub(super) struct Strangers {
    counts: Counts,
    is_node: IsNode,
}

/// One of them, until it is dropped.
pub(super) struct Place {
    counts: Counts,
    source: IpAddr,
}

fn lock(counts: &Counts) -> MutexGuard<'_, BTreeMap<IpAddr, usize>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Strangers {
    /// Where a node is nobody is limited: its agent and manager come from there, and many nodes may be behind one address.
    pub(super) fn new(is_node: IsNode) -> Self {
        Self {
            counts: Arc::default(),
            is_node,
        }
    }

    /// A place for a connection from there, if it has one left.
    pub(super) fn place(&self, from: IpAddr) -> Option<Place> {
        let source = source_network(from);
        let taken = lock(&self.counts).get(&source).copied().unwrap_or(0);
        if taken >= PER_SOURCE && !(self.is_node)(from.to_canonical()) {
            return None;
        }
        *lock(&self.counts).entry(source).or_insert(0) += 1;
        Some(Place {
            counts: self.counts.clone(),
            source,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        if let Some(count) = counts.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.source);
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

    #[test]
    fn each_source_has_a_few_places_and_nodes_have_all_that_they_need() {
        let strangers = Strangers::new(Box::new(|from| from == addr("192.0.2.1")));
        let take = |from: &str, count: usize| -> Vec<_> {
            let places = (0..count).map_while(|_| strangers.place(addr(from)));
            places.collect()
        };
        let held = take("2001:db8::1", 100);
        assert_eq!(held.len(), PER_SOURCE);
        assert!(
            take("2001:db8::2", 1).is_empty(),
            "one host may have 64 bits for itself"
        );
        assert_eq!(take("2001:db8:0:1::1", 100).len(), PER_SOURCE);
        assert_eq!(take("::ffff:192.0.2.1", 100).len(), 100);
        drop(held);
        assert_eq!(take("2001:db8::2", 1).len(), 1);
        assert!(lock(&strangers.counts).is_empty());
    }
}
