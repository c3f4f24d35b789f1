//! Map rows and hooks of a node as one value: what the kernel has, or what it should have.
//!
//! The agent's dump of the kernel and the numbered plan have this type, so that `diff` compares like with like. The
//! fake datapath of tests is this value with [`Tables::apply`].

use std::collections::{BTreeMap, BTreeSet};

use abi::{Addr, Backend, Config, DnsClient, Endpoint, EndpointKey, Frontend, FrontendKey, Port, Slot};

use super::Op;

/// A tc program of ours on the ingress of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// On the host end of a container's veth.
    FromContainer,
    /// On the VXLAN device.
    FromOverlay,
    /// On an addressed device of the host.
    FromUplink,
    /// On the far end of the host's own pair.
    FromHost,
}

impl Hook {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::FromContainer, Self::FromOverlay, Self::FromUplink, Self::FromHost];

    /// Name of the program in the object, also used in pin names.
    pub const fn program(self) -> &'static str {
        match self {
            Self::FromContainer => abi::program::FROM_CONTAINER,
            Self::FromOverlay => abi::program::FROM_OVERLAY,
            Self::FromUplink => abi::program::FROM_UPLINK,
            Self::FromHost => abi::program::FROM_HOST,
        }
    }
}

/// Rows of every map that the agent writes, and where our programs hang.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// `CONFIG`; `None` before the first write.
    pub config: Option<Config>,
    /// `HOST_ADDR`.
    pub host_addrs: BTreeSet<Addr>,
    /// `PEER`.
    pub peers: BTreeSet<Addr>,
    /// `PORT` by ifindex.
    pub ports: BTreeMap<u32, Port>,
    /// `ENDPOINT`.
    pub endpoints: BTreeMap<EndpointKey, Endpoint>,
    /// `DNS_CLIENT` by local index, rows in use only.
    pub dns_clients: BTreeMap<u32, DnsClient>,
    /// `BACKEND` by id.
    pub backends: BTreeMap<u32, Backend>,
    /// Stretches of `RING` by first slot: those that a frontend refers to.
    pub rings: BTreeMap<u32, Vec<Slot>>,
    /// `FRONTEND`.
    pub frontends: BTreeMap<FrontendKey, Frontend>,
    /// Our program by ifindex of the device.
    pub hooks: BTreeMap<u32, Hook>,
}

impl Tables {
    /// The slots of a frontend's ring; empty when it has none.
    pub fn ring(&self, frontend: &Frontend) -> &[Slot] {
        match self.rings.get(&frontend.ring_base) {
            Some(slots) if slots.len() == frontend.ring_slots as usize => slots,
            _ => &[],
        }
    }

    /// What the tables are after a step.
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::SetConfig(config) => self.config = Some(*config),
            Op::PutHostAddr(addr) => drop(self.host_addrs.insert(*addr)),
            Op::DeleteHostAddr(addr) => drop(self.host_addrs.remove(addr)),
            Op::PutPeer(addr) => drop(self.peers.insert(*addr)),
            Op::DeletePeer(addr) => drop(self.peers.remove(addr)),
            Op::PutEndpoint(key, row) => drop(self.endpoints.insert(*key, *row)),
            Op::DeleteEndpoint(key) => drop(self.endpoints.remove(key)),
            Op::PutDnsClient(index, row) => drop(self.dns_clients.insert(*index, *row)),
            Op::DeleteDnsClient(index) => drop(self.dns_clients.remove(index)),
            Op::PutPort(ifindex, row) => drop(self.ports.insert(*ifindex, *row)),
            Op::DeletePort(ifindex) => drop(self.ports.remove(ifindex)),
            Op::PutBackend(id, row) => drop(self.backends.insert(*id, *row)),
            Op::DeleteBackend(id) => drop(self.backends.remove(id)),
            Op::WriteRing { base, slots } => drop(self.rings.insert(*base, slots.clone())),
            Op::PutFrontend(key, row) => {
                let old = self.frontends.insert(*key, *row);
                self.forget_ring(old.filter(|old| old.ring_base != row.ring_base || row.ring_slots == 0));
            }
            Op::DeleteFrontend(key) => {
                let old = self.frontends.remove(key);
                self.forget_ring(old);
            }
            Op::Attach { ifindex, hook } => drop(self.hooks.insert(*ifindex, *hook)),
            Op::Detach { ifindex, .. } => drop(self.hooks.remove(ifindex)),
            Op::PurgeFlows(_) | Op::DeleteLink(_) => {}
        }
    }

    fn forget_ring(&mut self, frontend: Option<Frontend>) {
        if let Some(frontend) = frontend.filter(|frontend| frontend.ring_slots > 0) {
            self.rings.remove(&frontend.ring_base);
        }
    }
}
