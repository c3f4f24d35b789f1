//! Networks, and who has which address in them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use model::{Name, Network, NetworkId, Task, Vni};

use super::State;
use crate::AddressOwner;

impl State {
    /// A network by id.
    pub fn network(&self, id: NetworkId) -> Option<&Network> {
        self.tables.networks.get(&id).map(AsRef::as_ref)
    }

    /// All networks in the order of their ids.
    pub fn networks(&self) -> impl Iterator<Item = &Network> {
        self.tables.networks.values().map(AsRef::as_ref)
    }

    /// A network by name.
    pub fn network_named(&self, name: &Name) -> Option<&Network> {
        self.network(*self.indexes.network_names.get(name)?)
    }

    /// The network that has a VNI; also one that was removed, as long as a task may be in it.
    pub fn network_with_vni(&self, vni: Vni) -> Option<&Network> {
        let resting = || self.resting_networks().find(|network| network.vni == vni);
        let known = self.indexes.vnis.get(&vni).and_then(|id| self.network(*id));
        known.or_else(resting)
    }

    /// The one network of published services that name none.
    pub fn ingress_network(&self) -> Option<&Network> {
        self.networks().find(|network| network.spec.ingress)
    }

    /// The tasks with an address in a network that are not known to have ended, by address.
    pub fn tasks_in_network(&self, network: NetworkId) -> impl Iterator<Item = &Task> {
        let first = (network, IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let last = (network, IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)));
        let owners = self.indexes.addresses.range(first..=last);
        owners.filter_map(|(_, owner)| match owner {
            AddressOwner::Task(task) => self.task(*task),
            AddressOwner::Gateway | AddressOwner::Vip(_) => None,
        })
    }

    /// Who has an address in a network.
    pub fn address_owner(&self, network: NetworkId, addr: IpAddr) -> Option<AddressOwner> {
        self.indexes.addresses.get(&(network, addr)).copied()
    }

    /// `addr` or the first behind it that nobody has in a network; it may lie outside of the subnet. `None` beyond the end
    /// of its family.
    pub fn first_free_address(&self, network: NetworkId, addr: IpAddr) -> Option<IpAddr> {
        self.indexes.taken.first_free(network, addr)
    }

    /// The address given last in a network.
    pub fn address_cursor(&self, network: NetworkId) -> Option<IpAddr> {
        self.tables.cursors.get(&network).copied()
    }
}
