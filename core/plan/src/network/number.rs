//! The node's own numbers: backend ids, local indexes, places in the ring array.
//!
//! Numbers that the kernel already has stay (open flows refer to them, also after a restart of the agent); new ones
//! are free in the kernel's tables as they are now, so that nothing in use is overwritten. A ring that changes gets a
//! fresh place; its slots remember their earlier owners, which may still have open connections.

use std::collections::{BTreeMap, BTreeSet};

use abi::{
    Addr, BACKEND_DRAINING, BACKEND_MAX, Backend, Be16, DNS_CLIENT_MAX, DnsClient, Frontend, FrontendKey, Port,
    RING_MAX, Slot,
};
use thiserror::Error;

use super::{Desired, DesiredBackend, DesiredFrontend, Tables};

/// A limit that was reached; what it concerns stays as it is in the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// No free stretch for a ring.
    #[error(
        "no room for the ring of {}:{}: all {RING_MAX} slots are taken; remove services that publish ports, or networks, from this node",
        .0.addr, .0.port
    )]
    RingsFull(RingOf),
    /// No free backend id.
    #[error("no room for a backend: all {BACKEND_MAX} are taken; run fewer tasks in the networks of this node")]
    BackendsFull,
    /// No free local index.
    #[error("no room for an endpoint: a node has at most {} local ones; move tasks to another node", DNS_CLIENT_MAX - 1)]
    EndpointsFull,
}

/// The frontend that a full ring array concerns, as users know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingOf {
    /// The virtual IP; unspecified for a published port.
    pub addr: std::net::IpAddr,
    /// The port; 0 = every port.
    pub port: u16,
}

/// The plan in the kernel's numbers, and what did not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// What the tables should become.
    pub tables: Tables,
    /// Limits reached.
    pub problems: Vec<Problem>,
}

/// Gives a plan the numbers that fit what the kernel has.
pub fn number(actual: &Tables, desired: &Desired) -> Numbered {
    let mut problems = Vec::new();
    let (ports, dns_clients) = number_ports(actual, desired, &mut problems);
    let ids = backend_ids(actual, desired, &mut problems);
    let mut tables = Tables {
        config: Some(desired.config),
        host_addrs: desired.host_addrs.clone(),
        peers: desired.peers.clone(),
        ports,
        endpoints: desired.endpoints.clone(),
        dns_clients,
        backends: ids
            .iter()
            .map(|(backend, id)| (*id, row(backend, desired.backends[backend])))
            .collect(),
        hooks: desired.hooks.clone(),
        ..Tables::default()
    };
    let mut places = Places::taken(actual);
    for (key, frontend) in &desired.frontends {
        let before = actual.frontends.get(key);
        let slots = slots(
            before.map_or(&[], |old| actual.ring(old)),
            frontend,
            &ids,
            &tables.backends,
        );
        let base = match before {
            Some(old) if actual.ring(old) == slots => Some(old.ring_base),
            _ if slots.is_empty() => Some(0),
            _ => places.take(slots.len() as u32),
        };
        let Some(base) = base else {
            problems.push(Problem::RingsFull(ring_of(key)));
            keep(actual, key, &mut tables);
            continue;
        };
        let row = Frontend {
            ring_base: base,
            ring_slots: slots.len() as u32,
            service: frontend.service,
            flags: frontend.flags,
        };
        if !slots.is_empty() {
            tables.rings.insert(base, slots);
        }
        tables.frontends.insert(*key, row);
    }
    Numbered { tables, problems }
}

fn ring_of(key: &FrontendKey) -> RingOf {
    RingOf {
        addr: key.addr.into(),
        port: key.port.get(),
    }
}

/// Leaves a frontend as it is, with the backends its slots name.
fn keep(actual: &Tables, key: &FrontendKey, tables: &mut Tables) {
    let Some(frontend) = actual.frontends.get(key) else {
        return;
    };
    let slots = actual.ring(frontend).to_vec();
    for id in slots
        .iter()
        .flat_map(|slot| std::iter::once(slot.owner).chain(slot.earlier))
    {
        if let Some(row) = actual.backends.get(&id) {
            tables.backends.entry(id).or_insert(*row);
        }
    }
    tables.frontends.insert(*key, *frontend);
    tables.rings.insert(frontend.ring_base, slots);
}

fn row(backend: &DesiredBackend, draining: bool) -> Backend {
    Backend {
        addr: backend.addr,
        vtep: backend.vtep,
        vni: backend.vni,
        flags: if draining { BACKEND_DRAINING } else { 0 },
        port: Be16::new(backend.port),
        proto: backend.proto,
        reserved: 0,
    }
}

pub(super) fn identity(row: &Backend) -> DesiredBackend {
    DesiredBackend {
        addr: row.addr,
        vtep: row.vtep,
        vni: row.vni,
        port: row.port.get(),
        proto: row.proto,
    }
}

/// The lowest numbers from 1 that nobody in `taken` has, below `limit`.
fn free_numbers(taken: BTreeSet<u32>, limit: u32) -> impl Iterator<Item = u32> {
    (1..limit).filter(move |number| !taken.contains(number))
}

fn backend_ids(actual: &Tables, desired: &Desired, problems: &mut Vec<Problem>) -> BTreeMap<DesiredBackend, u32> {
    let known: BTreeMap<DesiredBackend, u32> = actual.backends.iter().map(|(id, row)| (identity(row), *id)).collect();
    let mut free = free_numbers(actual.backends.keys().copied().collect(), BACKEND_MAX);
    let mut ids = BTreeMap::new();
    for backend in desired.backends.keys() {
        match known.get(backend).copied().or_else(|| free.next()) {
            Some(id) => drop(ids.insert(*backend, id)),
            None => problems.push(Problem::BackendsFull),
        }
    }
    problems.dedup();
    ids
}

/// The row of a device that leads out of the node.
fn way_out(addr: Addr) -> Port {
    Port {
        addr,
        ..Port::default()
    }
}

type Ports = (BTreeMap<u32, Port>, BTreeMap<u32, DnsClient>);

fn number_ports(actual: &Tables, desired: &Desired, problems: &mut Vec<Problem>) -> Ports {
    let mut free = free_numbers(actual.ports.values().map(|port| port.index).collect(), DNS_CLIENT_MAX);
    let (mut ports, mut clients) = Ports::default();
    for (ifindex, port) in &desired.ports {
        let same = |old: &&Port| old.vni == port.vni && old.addr == port.addr && old.index != 0;
        let known = actual.ports.get(ifindex).filter(same).map(|old| old.index);
        let Some(index) = known.or_else(|| free.next()) else {
            problems.push(Problem::EndpointsFull);
            continue;
        };
        ports.insert(*ifindex, Port { index, ..*port });
        let client = DnsClient {
            addr: port.addr,
            vni: port.vni,
            ifindex: *ifindex,
            mac: port.mac,
            reserved: [0; 2],
        };
        clients.insert(index, client);
    }
    let ways = desired.sources.iter().map(|(ifindex, addr)| (*ifindex, way_out(*addr)));
    ports.extend(ways);
    (ports, clients)
}

/// The slots of a frontend: owners as planned, earlier owners from the ring as it is.
fn slots(
    before: &[Slot],
    frontend: &DesiredFrontend,
    ids: &BTreeMap<DesiredBackend, u32>,
    backends: &BTreeMap<u32, Backend>,
) -> Vec<Slot> {
    let owners: Vec<u32> = frontend
        .backends
        .iter()
        .map(|b| ids.get(b).copied().unwrap_or(0))
        .collect();
    let same_size = before.len() == frontend.slots.len();
    let owner = |slot: &Option<usize>| slot.and_then(|index| owners.get(index).copied()).unwrap_or(0);
    let planned = frontend.slots.iter().map(owner).enumerate();
    planned
        .map(|(i, owner)| slot(owner, if same_size { before[i] } else { Slot::default() }, backends))
        .collect()
}

/// One slot: when it moves, its owner becomes the latest of the earlier ones; those that are gone are forgotten.
fn slot(owner: u32, old: Slot, backends: &BTreeMap<u32, Backend>) -> Slot {
    let mut earlier: Vec<u32> = Vec::with_capacity(1 + old.earlier.len());
    for id in std::iter::once(old.owner).chain(old.earlier) {
        if id != 0 && id != owner && !earlier.contains(&id) && backends.contains_key(&id) {
            earlier.push(id);
        }
    }
    let mut slot = Slot {
        owner,
        ..Slot::default()
    };
    if earlier.len() > slot.earlier.len() {
        earlier.remove(superfluous(owner, &earlier, backends));
    }
    for (place, id) in slot.earlier.iter_mut().zip(earlier) {
        *place = id;
    }
    slot
}

/// Which of too many earlier owners is forgotten: the oldest on a node that is asked anyway, since a node knows
/// the flows of all its backends; else the oldest.
fn superfluous(owner: u32, earlier: &[u32], backends: &BTreeMap<u32, Backend>) -> usize {
    let node = |id: &u32| backends.get(id).map(|row| row.vtep);
    let is_named = |at: usize| {
        let asked = || std::iter::once(&owner).chain(&earlier[..at]);
        asked().any(|id| node(id).is_some() && node(id) == node(&earlier[at]))
    };
    let oldest = earlier.len().saturating_sub(1);
    (0..earlier.len()).rev().find(|at| is_named(*at)).unwrap_or(oldest)
}

/// Stretches of the ring array that are in use, and the ones given out since.
struct Places {
    /// First slot to first slot behind.
    taken: BTreeMap<u32, u32>,
}

impl Places {
    fn taken(actual: &Tables) -> Self {
        let rows = actual.frontends.values();
        Self {
            taken: rows
                .filter(|row| row.ring_slots > 0)
                .map(|row| (row.ring_base, row.ring_base.saturating_add(row.ring_slots)))
                .collect(),
        }
    }

    /// The first gap that is large enough.
    fn take(&mut self, slots: u32) -> Option<u32> {
        let mut base = 0;
        for (start, end) in &self.taken {
            if start.saturating_sub(base) >= slots {
                break;
            }
            base = base.max(*end);
        }
        let end = base.checked_add(slots).filter(|end| *end <= RING_MAX)?;
        self.taken.insert(base, end);
        Some(base)
    }
}
