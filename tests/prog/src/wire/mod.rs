//! Three nodes, containers and a client in namespaces joined by veths, with the programs attached: real sockets
//! through the real kernel paths that a test run cannot show (redirects, tunnel device, checksums).
//!
//! Node i (1 to 3): underlay 192.168.7.i over a switch, client leg 172.16.i.1, containers A, C or D (network 5000)
//! and E, G or H (ingress network). The client is 203.0.113.9 on both legs. Nothing outlives the process.

mod node;
mod ns;

use abi::*;
use anyhow::Result;

pub use node::WireNode;
use node::{underlay, veth_index};
pub use ns::Ns;

use crate::world::*;

/// The whole.
pub struct Wire {
    /// Node 1.
    pub one: WireNode,
    /// Node 2.
    pub two: WireNode,
    /// Node 3.
    pub three: WireNode,
    /// The client.
    pub client: Ns,
    switch: Ns,
}

impl Wire {
    /// Builds and attaches everything.
    ///
    /// # Errors
    /// No root, no object, no `ip`.
    pub fn new() -> Result<Self> {
        let (client, switch) = (Ns::new()?, Ns::new()?);
        client.ip("addr add 203.0.113.9/32 dev lo")?;
        switch.ip("link add name sw type bridge\nlink set dev sw up")?;
        let one = WireNode::new(1, A, E)?;
        let two = WireNode::new(2, C, G)?;
        let three = WireNode::new(3, D, H)?;
        let mut wire = Self {
            one,
            two,
            three,
            client,
            switch,
        };
        for i in 0..3 {
            wire.plug(i)?;
        }
        Ok(wire)
    }

    /// The nodes in order.
    pub fn nodes(&mut self) -> [&mut WireNode; 3] {
        [&mut self.one, &mut self.two, &mut self.three]
    }

    /// Joins a node to switch and client, fills its tables and attaches the programs.
    fn plug(&mut self, index: usize) -> Result<()> {
        let (client, switch) = (self.client.path(), self.switch.path());
        let n = &mut *self.nodes()[index];
        let i = n.number;
        n.host.ip(&format!(
            "link add name wire type veth peer name port{i} netns {switch}
             addr add 192.168.7.{i}/24 dev wire
             link set dev wire up mtu 1550
             link add name leg type veth peer name leg{i} netns {client}
             addr add 172.16.{i}.1/24 dev leg
             link set dev leg up
             route add 203.0.113.9/32 via 172.16.{i}.9"
        ))?;
        n.configure()?;
        n.attach()?;
        let members = [
            (A, VNI, 1),
            (C, VNI, 2),
            (D, VNI, 3),
            (E, VNI_FIRST, 1),
            (G, VNI_FIRST, 2),
            (H, VNI_FIRST, 3),
        ];
        for (addr, vni, home) in members {
            let flags = if vni == VNI_FIRST { PORT_INGRESS_ONLY } else { 0 };
            let netns = if home == i { n.netns_id(addr)? } else { 0 };
            let ifindex = if home == i { veth_index(addr) } else { 0 };
            let e = Endpoint {
                vtep: underlay(home).into(),
                ifindex,
                netns,
                mac: mac(addr),
                flags,
            };
            n.node.put(map::ENDPOINT, EndpointKey { vni, addr: addr.into() }, e);
        }
        self.switch.ip(&format!("link set dev port{i} mtu 1550 master sw up"))?;
        self.client.ip(&format!(
            "addr add 172.16.{i}.9/24 dev leg{i}
             link set dev leg{i} up
             route add 192.168.7.{i}/32 via 172.16.{i}.1"
        ))
    }
}
