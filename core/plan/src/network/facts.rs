//! What the machine is like: the facts that the network actor gathers before it plans.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use model::Protocol;

/// A network device, as far as planning needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Interface index in the node's namespace; from 1.
    pub index: u32,
    /// Hardware address; zero where the device has none.
    pub mac: [u8; 6],
    /// Largest packet, bytes.
    pub mtu: u32,
    /// Administratively up.
    pub up: bool,
    /// Carries Ethernet frames (loopback and tunnels without a link layer do not).
    pub ethernet: bool,
    /// Its addresses.
    pub addrs: Vec<IpAddr>,
    /// A veth whose other end is in another namespace: that namespace's id as seen from here.
    pub peer_netns: Option<u32>,
}

/// The machine's side of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalFacts {
    /// Devices of the node's namespace by name.
    pub links: BTreeMap<String, Link>,
    /// Cookie of the node's namespace.
    pub netns_cookie: u64,
    /// Ports that a process of the host (or the engine for a container of its own) listens on.
    pub held: BTreeSet<(u16, Protocol)>,
}

impl LocalFacts {
    /// Index of a device, if it is there.
    pub fn index(&self, name: &str) -> Option<u32> {
        self.links.get(name).map(|link| link.index)
    }

    /// Devices that traffic of the outside can enter by: addressed, Ethernet, not ours.
    pub fn uplinks(&self) -> impl Iterator<Item = (&str, &Link)> {
        self.links
            .iter()
            .filter(|(name, link)| link.ethernet && link.up && !link.addrs.is_empty() && !super::is_our_link(name))
            .map(|(name, link)| (name.as_str(), link))
    }

    /// The address of each device that leads out, where routes do not say: `vtep`, or its first of IPv4.
    pub fn sources(&self, vtep: IpAddr) -> impl Iterator<Item = (u32, IpAddr)> {
        self.uplinks().filter_map(move |(_, link)| {
            let mut addrs = link.addrs.iter().filter(|addr| addr.is_ipv4());
            let first = addrs.clone().next()?;
            Some((link.index, *addrs.find(|addr| **addr == vtep).unwrap_or(first)))
        })
    }

    /// The node's own addresses: of every device but ours, loopback addresses left out.
    pub fn own_addrs(&self) -> impl Iterator<Item = IpAddr> {
        self.links
            .iter()
            .filter(|(name, _)| !super::is_our_link(name))
            .flat_map(|(_, link)| &link.addrs)
            .copied()
            .filter(|addr| !addr.is_loopback())
    }
}
