//! The steps from what a node has to what it should have, in an order that is safe to cut anywhere.
//!
//! Back to front while adding (a frontend is written when its ring and backends are there), front to back while
//! removing. Applying a plan twice does nothing the second time.

use std::collections::{BTreeMap, BTreeSet};

use abi::{Addr, Backend, Config, DnsClient, Endpoint, EndpointKey, Frontend, FrontendKey, Port, Slot};

use super::{Desired, Hook, Problem, Tables, number};

/// One effect on the kernel. Each is idempotent: putting what is there or deleting what is gone is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Replaces the node's row.
    SetConfig(Config),
    /// Adds an own address.
    PutHostAddr(Addr),
    /// Adds a tunnel endpoint.
    PutPeer(Addr),
    /// Writes an endpoint.
    PutEndpoint(EndpointKey, Endpoint),
    /// Writes the row of a resolver-side address.
    PutDnsClient(u32, DnsClient),
    /// Writes the row of a container link, by ifindex.
    PutPort(u32, Port),
    /// Writes a backend.
    PutBackend(u32, Backend),
    /// Fills slots that no frontend refers to.
    WriteRing {
        /// First slot.
        base: u32,
        /// What to write there.
        slots: Vec<Slot>,
    },
    /// Makes a frontend visible, or flips it to another ring.
    PutFrontend(FrontendKey, Frontend),
    /// Hangs a program on a device's ingress.
    Attach {
        /// The device.
        ifindex: u32,
        /// The program.
        hook: Hook,
    },
    /// Takes a program from a device.
    Detach {
        /// The device; it may be gone.
        ifindex: u32,
        /// The program.
        hook: Hook,
    },
    /// Hides a frontend.
    DeleteFrontend(FrontendKey),
    /// Removes a backend.
    DeleteBackend(u32),
    /// Removes the row of a container link.
    DeletePort(u32),
    /// Clears the row of a resolver-side address.
    DeleteDnsClient(u32),
    /// Removes an endpoint.
    DeleteEndpoint(EndpointKey),
    /// Removes a tunnel endpoint.
    DeletePeer(Addr),
    /// Removes an own address.
    DeleteHostAddr(Addr),
    /// Deletes the flow records of endpoints that are gone, so that their successors start clean.
    PurgeFlows(BTreeSet<EndpointKey>),
    /// Deletes a container link that belongs to nobody.
    DeleteLink(String),
}

/// When an [`Op`] may happen, relative to the others of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The node and its peers.
    Node,
    /// Endpoints and resolver-side addresses.
    Endpoints,
    /// Container links, which refer to both.
    Ports,
    /// Backends.
    Backends,
    /// Rings, in free slots.
    Rings,
    /// Frontends: from here on rings are used.
    Frontends,
    /// Programs, once the tables can answer them.
    Attach,
    /// Programs whose device is no longer ours.
    Detach,
    /// Frontends that are not wanted.
    HideFrontends,
    /// Backends that nothing refers to any more.
    DropBackends,
    /// Container links that are gone.
    DropPorts,
    /// Endpoints and resolver-side addresses that are gone.
    DropEndpoints,
    /// Peers and addresses that are gone.
    DropNode,
    /// Flow records of endpoints that are gone.
    PurgeFlows,
    /// Links that belong to nobody.
    DropLinks,
}

impl Op {
    /// The phase it belongs to.
    pub fn phase(&self) -> Phase {
        match self {
            Self::SetConfig(_) | Self::PutHostAddr(_) | Self::PutPeer(_) => Phase::Node,
            Self::PutEndpoint(..) | Self::PutDnsClient(..) => Phase::Endpoints,
            Self::PutPort(..) => Phase::Ports,
            Self::PutBackend(..) => Phase::Backends,
            Self::WriteRing { .. } => Phase::Rings,
            Self::PutFrontend(..) => Phase::Frontends,
            Self::Attach { .. } => Phase::Attach,
            Self::Detach { .. } => Phase::Detach,
            Self::DeleteFrontend(_) => Phase::HideFrontends,
            Self::DeleteBackend(_) => Phase::DropBackends,
            Self::DeletePort(_) => Phase::DropPorts,
            Self::DeleteDnsClient(_) | Self::DeleteEndpoint(_) => Phase::DropEndpoints,
            Self::DeletePeer(_) | Self::DeleteHostAddr(_) => Phase::DropNode,
            Self::PurgeFlows(_) => Phase::PurgeFlows,
            Self::DeleteLink(_) => Phase::DropLinks,
        }
    }
}

/// What there is to do, and what could not be planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps {
    /// In the order in which they must be applied.
    pub ops: Vec<Op>,
    /// Limits reached.
    pub problems: Vec<Problem>,
}

/// Everything between what the kernel has and what is desired.
pub fn steps(actual: &Tables, desired: &Desired) -> Steps {
    let numbered = number(actual, desired);
    let mut ops = diff(actual, &numbered.tables);
    ops.extend(desired.stale_links.iter().cloned().map(Op::DeleteLink));
    Steps {
        ops,
        problems: numbered.problems,
    }
}

/// Steps that make `actual` equal `target`, by phase.
pub fn diff(actual: &Tables, target: &Tables) -> Vec<Op> {
    let mut ops: Vec<Op> = Vec::new();
    if let Some(config) = target.config.filter(|_| actual.config != target.config) {
        ops.push(Op::SetConfig(config));
    }
    set(
        &mut ops,
        &actual.host_addrs,
        &target.host_addrs,
        Op::PutHostAddr,
        Op::DeleteHostAddr,
    );
    set(&mut ops, &actual.peers, &target.peers, Op::PutPeer, Op::DeletePeer);
    map(
        &mut ops,
        &actual.endpoints,
        &target.endpoints,
        Op::PutEndpoint,
        Op::DeleteEndpoint,
    );
    map(
        &mut ops,
        &actual.dns_clients,
        &target.dns_clients,
        Op::PutDnsClient,
        Op::DeleteDnsClient,
    );
    map(&mut ops, &actual.ports, &target.ports, Op::PutPort, Op::DeletePort);
    map(
        &mut ops,
        &actual.backends,
        &target.backends,
        Op::PutBackend,
        Op::DeleteBackend,
    );
    map(
        &mut ops,
        &actual.frontends,
        &target.frontends,
        Op::PutFrontend,
        Op::DeleteFrontend,
    );
    rings(&mut ops, actual, target);
    hooks(&mut ops, &actual.hooks, &target.hooks);
    let is_gone = |key: &&EndpointKey| !target.endpoints.contains_key(key);
    let gone: BTreeSet<EndpointKey> = actual.endpoints.keys().filter(is_gone).copied().collect();
    if !gone.is_empty() {
        ops.push(Op::PurgeFlows(gone));
    }
    ops.sort_by_key(Op::phase);
    #[cfg(feature = "planted")]
    planted::is(planted::Bug::FrontendsFirst).then(|| ops.reverse());
    ops
}

fn set<K: Ord + Copy>(ops: &mut Vec<Op>, old: &BTreeSet<K>, new: &BTreeSet<K>, put: fn(K) -> Op, delete: fn(K) -> Op) {
    ops.extend(new.difference(old).map(|key| put(*key)));
    ops.extend(old.difference(new).map(|key| delete(*key)));
}

fn map<K: Ord + Copy, V: PartialEq + Copy>(
    ops: &mut Vec<Op>,
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
    put: fn(K, V) -> Op,
    delete: fn(K) -> Op,
) {
    let changed = new.iter().filter(|(key, value)| old.get(key) != Some(value));
    ops.extend(changed.map(|(key, value)| put(*key, *value)));
    ops.extend(old.keys().filter(|key| !new.contains_key(key)).map(|key| delete(*key)));
}

/// A ring is written when no frontend of the kernel refers to the same slots with the same content.
fn rings(ops: &mut Vec<Op>, actual: &Tables, target: &Tables) {
    let changed = target
        .rings
        .iter()
        .filter(|(base, slots)| actual.rings.get(base) != Some(slots));
    ops.extend(changed.map(|(base, slots)| Op::WriteRing {
        base: *base,
        slots: slots.clone(),
    }));
}

fn hooks(ops: &mut Vec<Op>, old: &BTreeMap<u32, Hook>, new: &BTreeMap<u32, Hook>) {
    for (ifindex, hook) in new.iter().filter(|(ifindex, hook)| old.get(ifindex) != Some(hook)) {
        ops.push(Op::Attach {
            ifindex: *ifindex,
            hook: *hook,
        });
    }
    for (ifindex, hook) in old.iter().filter(|(ifindex, _)| !new.contains_key(ifindex)) {
        ops.push(Op::Detach {
            ifindex: *ifindex,
            hook: *hook,
        });
    }
}
