//! Steps by a view that may be older than what the kernel has: the one that an earlier run of the agent saved.
//!
//! Containers may have been started since, of which it does not know because it could not be written, and the kernel
//! serves them. So that a view does not name something is no reason to take it away before the managers have spoken: a
//! link that is deleted is gone for the rest of its container's life, whatever the next view says. A ring that leads to a
//! backend of which the view does not know is newer than the view, and stays.
//!
//! What the host itself says stays a reason. Rows of a device that has vanished lead nowhere, a port that somebody else
//! listens on is theirs, and a container that is down takes no new flows: the view says so of those that it names, and of
//! the others that their link is gone.

use std::collections::{BTreeMap, BTreeSet};

use abi::{BACKEND_DRAINING, Backend, EndpointKey, FRONTEND_HELD, Frontend, FrontendKey};

use super::{
    Desired, DesiredBackend, DesiredFrontend, LocalFacts, Op, Steps, Tables, frontend::is_held, is_container_link,
    number::identity, steps,
};

/// As [`steps`], without what would be taken away only because the view does not name it.
pub fn steps_by_saved(actual: &Tables, desired: &Desired, facts: &LocalFacts) -> Steps {
    let host = Host::of(actual, facts);
    let mut wanted = desired.clone();
    for row in actual.backends.values() {
        let drains = row.flags & BACKEND_DRAINING != 0 || (row.vtep == desired.config.vtep && !host.serves(row));
        wanted.backends.entry(identity(row)).or_insert(drains);
    }
    for (key, row) in actual
        .frontends
        .iter()
        .filter(|(key, row)| host.is_newer(key, row, desired))
    {
        wanted.frontends.insert(*key, host.kept(key, row, &wanted.backends));
    }
    let mut steps = steps(actual, &wanted);
    steps.ops = steps.ops.into_iter().filter_map(|op| host.allows(op)).collect();
    steps
}

/// What is known of the machine without any view.
struct Host<'a> {
    actual: &'a Tables,
    facts: &'a LocalFacts,
    /// Container links that are there, by ifindex.
    links: BTreeSet<u32>,
}

impl<'a> Host<'a> {
    fn of(actual: &'a Tables, facts: &'a LocalFacts) -> Self {
        let links = facts.links.iter().filter(|(name, _)| is_container_link(name));
        Self {
            actual,
            facts,
            links: links.map(|(_, link)| link.index).collect(),
        }
    }

    /// The step, as far as it does not rest on what the view lacks.
    fn allows(&self, op: Op) -> Option<Op> {
        let may = match &op {
            Op::DeleteFrontend(_) | Op::DeleteBackend(_) | Op::DeletePeer(_) | Op::DeleteLink(_) => false,
            Op::DeletePort(ifindex) | Op::Detach { ifindex, .. } => !self.links.contains(ifindex),
            Op::DeleteDnsClient(index) => {
                let row = self.actual.dns_clients.get(index);
                !row.is_some_and(|row| self.links.contains(&row.ifindex))
            }
            Op::DeleteEndpoint(key) => self.is_gone(key),
            // An older owner of the address, elsewhere.
            Op::PutEndpoint(key, row) => self.link_of(key).is_none_or(|ifindex| ifindex == row.ifindex),
            _ => true,
        };
        match op {
            Op::PurgeFlows(keys) => {
                let gone: BTreeSet<_> = keys.into_iter().filter(|key| self.is_gone(key)).collect();
                (!gone.is_empty()).then_some(Op::PurgeFlows(gone))
            }
            op => may.then_some(op),
        }
    }

    /// The container link behind an address, if it is there.
    fn link_of(&self, key: &EndpointKey) -> Option<u32> {
        let row = self.actual.endpoints.get(key)?;
        Some(row.ifindex).filter(|ifindex| self.links.contains(ifindex))
    }

    /// Whether a container had this address here and its link has vanished.
    fn is_gone(&self, key: &EndpointKey) -> bool {
        let row = self.actual.endpoints.get(key);
        row.is_some_and(|row| row.ifindex != 0 && !self.links.contains(&row.ifindex))
    }

    /// Whether the container of a backend of this node still has its link.
    fn serves(&self, backend: &Backend) -> bool {
        let key = EndpointKey {
            vni: backend.vni,
            addr: backend.addr,
        };
        self.link_of(&key).is_some()
    }

    /// The owner of each slot of a frontend.
    fn owners(&self, frontend: &Frontend) -> impl Iterator<Item = Option<DesiredBackend>> {
        let slots = self.actual.ring(frontend).iter();
        slots.map(|slot| self.actual.backends.get(&slot.owner).map(identity))
    }

    /// Whether the view does not know of a frontend, or of a backend that owns one of its slots or did before.
    fn is_newer(&self, key: &FrontendKey, row: &Frontend, desired: &Desired) -> bool {
        let slots = self.actual.ring(row).iter();
        let named: BTreeSet<u32> = slots
            .flat_map(|slot| std::iter::once(slot.owner).chain(slot.earlier))
            .collect();
        let mut rows = named.iter().filter_map(|id| self.actual.backends.get(id));
        !desired.frontends.contains_key(key) || rows.any(|row| !desired.backends.contains_key(&identity(row)))
    }

    /// A frontend as it is, but that the slots of backends that drain go to the others.
    fn kept(&self, key: &FrontendKey, row: &Frontend, drains: &BTreeMap<DesiredBackend, bool>) -> DesiredFrontend {
        let backends: Vec<DesiredBackend> = self
            .owners(row)
            .flatten()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let serves = |at: &usize| drains.get(&backends[*at]) == Some(&false);
        let serving: Vec<usize> = (0..backends.len()).filter(serves).collect();
        let owner = |(slot, owner): (usize, Option<DesiredBackend>)| {
            let at = owner.and_then(|owner| backends.binary_search(&owner).ok());
            let other = || serving.get(slot % serving.len().max(1)).copied();
            at.filter(serves).or_else(other)
        };
        DesiredFrontend {
            slots: self.owners(row).enumerate().map(owner).collect(),
            service: row.service,
            flags: if is_held(self.facts, key) { FRONTEND_HELD } else { 0 },
            backends,
        }
    }
}
