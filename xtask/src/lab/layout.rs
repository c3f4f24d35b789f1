//! Names, addresses and paths of the lab: the one place that knows them.
//!
//! Everything that the lab makes on the machine carries the prefix [`PREFIX`],
//! so that `lab down` finds it after a crash without any record.

use std::net::Ipv4Addr;
use std::path::PathBuf;

/// Starts the name of every namespace and cgroup of the lab.
pub const PREFIX: &str = "ntl-lab-";
/// Namespace with the underlay's bridge, which also routes to the client.
pub const SWITCH: &str = "ntl-lab-sw";
/// Namespace of the client, outside of the cluster.
pub const CLIENT: &str = "ntl-lab-client";
/// Most nodes the underlay's addressing has room for.
pub const MAX_NODES: u8 = 9;
/// The bridge's address: the nodes' default gateway.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The switch's address on the client's side.
pub const CLIENT_GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);
/// The client's own address.
pub const CLIENT_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 100);

/// One node of the lab, by its number from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node(pub u8);

impl Node {
    /// All nodes of a lab of `count`.
    pub fn first(count: u8) -> impl Iterator<Item = Node> {
        (1..=count).map(Node)
    }

    /// `n1`, which is also its host name.
    pub fn name(self) -> String {
        format!("n{}", self.0)
    }

    /// The node called `n1`, `n2`, ...
    pub fn named(name: &str) -> Option<Node> {
        let number = name.strip_prefix('n')?.parse().ok()?;
        (1..=MAX_NODES).contains(&number).then_some(Node(number))
    }

    /// Its address on the underlay.
    pub fn address(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, 10 + self.0)
    }

    /// Its network namespace, and its cgroup's name in every hierarchy.
    pub fn namespace(self) -> String {
        format!("{PREFIX}{}", self.name())
    }

    /// Its disk: what the node sees as `/var/lib`, and the upper side of its `/etc`.
    pub fn disk(self) -> PathBuf {
        disks().join(self.name())
    }

    /// Folder of its logs in the repository.
    pub fn logs(self) -> PathBuf {
        crate::repo::lab_logs().join(self.name())
    }
}

/// Disks of all nodes. Not in the repository: the engine's overlays want a
/// plain file system below them.
pub fn disks() -> PathBuf {
    PathBuf::from("/var/lib/netctl-lab")
}

/// The lab's record (see `state`).
pub fn record() -> PathBuf {
    disks().join("lab.json")
}
