//! The cluster that the scenarios play in, seen from node 1.
//!
//! Network 5000 = 10.1.0.0/24: A and B on this node, C on node 2. Ingress network 4096 = 10.0.0.0/16: E and F on
//! this node, G on node 2. Node 1 is 192.168.7.1 with a veth as uplink to a router.

use std::net::Ipv4Addr;

use abi::*;
use anyhow::Result;

use crate::load::ip;
use crate::node::Node;

/// Network of the scenarios.
pub const VNI: u32 = 5000;
/// This node.
pub const NODE1: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 1);
/// Another.
pub const NODE2: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 2);
/// A third.
pub const NODE3: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 3);
/// Endpoint on this node.
pub const A: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 10);
/// Endpoint on this node.
pub const B: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 11);
/// Endpoint on node 2.
pub const C: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 12);
/// Endpoint on node 3.
pub const D: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 13);
/// Ingress endpoint on this node.
pub const E: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
/// Ingress endpoint on this node.
pub const F: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 6);
/// Ingress endpoint on node 2.
pub const G: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);
/// Ingress endpoint on node 3.
pub const H: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 8);
/// Virtual address in the network.
pub const VIP: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
/// A client outside of the cluster.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
/// MAC of `ntl-host`.
pub const HOST_MAC: Mac = [2, 0, 0, 0, 0, 0xaa];

/// MAC of an endpoint.
pub fn mac(a: Ipv4Addr) -> Mac {
    let o = a.octets();
    [0x02, 0x42, o[0], o[1], o[2], o[3]]
}

/// Ifindex of the host end of a local endpoint's veth.
pub fn ifindex(a: Ipv4Addr) -> u32 {
    match a {
        A => 10,
        B => 11,
        E => 12,
        F => 13,
        _ => 0,
    }
}

impl Node {
    /// A node with its devices, addresses, peers and endpoints, and no service yet.
    ///
    /// # Errors
    /// See [`Node::new`].
    pub fn in_world() -> Result<Self> {
        let mut n = Self::new()?;
        let add = |name: &str, index: u32| {
            ip(&format!(
                "link add {name} index {index} type veth peer name {name}p index {}",
                index + 40
            ))?;
            ip(&format!("link set dev {name} up"))
        };
        for (name, index) in [
            ("ntl10", 10),
            ("ntl11", 11),
            ("ntl12", 12),
            ("ntl13", 13),
            ("uplink", 20),
            ("ntlhost", 21),
        ] {
            add(name, index)?;
        }
        ip("link set dev uplinkp up")?;
        ip(&format!("addr add {NODE1}/24 dev uplink"))?;
        ip("route add default via 192.168.7.254")?;
        std::fs::write("/proc/sys/net/ipv4/conf/ntlhost/forwarding", "1")?;
        n.set(
            map::CONFIG,
            0,
            Config {
                abi_version: ABI_VERSION,
                vx_ifindex: 30,
                host_ifindex: 21,
                hostp_ifindex: 61,
                vtep: NODE1.into(),
                snat_addr: NODE1.into(),
                netns_cookie: 0,
                snat_port_min: SNAT_PORT_MIN,
                snat_port_max: SNAT_PORT_MAX,
                data_port: Be16::new(DATA_PORT),
                host_mac: HOST_MAC,
                resolver_ifindex: 22,
            },
        );
        n.put(map::HOST_ADDR, Addr::from(NODE1), 0u32);
        for node in [NODE1, NODE2, NODE3] {
            n.put(map::PEER, Addr::from(node), 0u32);
        }
        n.local(A, VNI, PORT_GATEWAY);
        n.local(B, VNI, PORT_GATEWAY);
        n.local(E, VNI_FIRST, PORT_GATEWAY | PORT_INGRESS_ONLY);
        n.local(F, VNI_FIRST, PORT_GATEWAY | PORT_INGRESS_ONLY);
        n.endpoint(C, VNI, NODE2, 0);
        n.endpoint(G, VNI_FIRST, NODE2, PORT_INGRESS_ONLY);
        Ok(n)
    }

    /// An endpoint of this node.
    pub fn local(&mut self, addr: Ipv4Addr, vni: u32, flags: u16) {
        let index = ifindex(addr);
        let prefix = if vni == VNI_FIRST { 112 } else { 120 };
        let port = Port {
            addr: addr.into(),
            vni,
            index,
            mac: mac(addr),
            flags,
            prefix,
            reserved: [0; 3],
        };
        self.put(map::PORT, index, port);
        let client = DnsClient {
            addr: addr.into(),
            vni,
            ifindex: index,
            mac: mac(addr),
            reserved: [0; 2],
        };
        self.set(map::DNS_CLIENT, index, client);
        self.endpoint(addr, vni, NODE1, flags);
    }

    /// A row of `ENDPOINT`.
    pub fn endpoint(&mut self, addr: Ipv4Addr, vni: u32, node: Ipv4Addr, flags: u16) {
        let e = Endpoint {
            vtep: node.into(),
            ifindex: ifindex(addr),
            netns: 0,
            mac: mac(addr),
            flags,
        };
        self.put(map::ENDPOINT, EndpointKey { vni, addr: addr.into() }, e);
    }

    /// A backend.
    pub fn backend(&mut self, id: u32, addr: Ipv4Addr, port: u16, proto: u8, flags: u32) {
        let node = if ifindex(addr) != 0 { NODE1 } else { NODE2 };
        self.backend_on(id, addr, node, port, proto, flags);
    }

    /// A backend on a node.
    pub fn backend_on(&mut self, id: u32, addr: Ipv4Addr, node: Ipv4Addr, port: u16, proto: u8, flags: u32) {
        let vni = if addr.octets()[1] == 0 { VNI_FIRST } else { VNI };
        let (addr, vtep) = (addr.into(), node.into());
        self.put(
            map::BACKEND,
            id,
            Backend {
                addr,
                vtep,
                vni,
                flags,
                port: Be16::new(port),
                proto,
                reserved: 0,
            },
        );
    }

    /// A published port with one slot: `owner`, `previous`, at `base` of the ring.
    pub fn frontend(&mut self, port: u16, proto: u8, base: u32, owner: u32, previous: u32) {
        self.set(
            map::RING,
            base,
            Slot {
                owner,
                earlier: [previous, 0, 0],
            },
        );
        let key = FrontendKey {
            port: Be16::new(port),
            proto,
            ..FrontendKey::default()
        };
        self.put(
            map::FRONTEND,
            key,
            Frontend {
                ring_base: base,
                ring_slots: 1,
                service: 1,
                flags: 0,
            },
        );
    }

    /// A virtual address with one slot at `base` of the ring.
    pub fn virtual_address(&mut self, vip: Ipv4Addr, base: u32, owner: u32) {
        self.set(map::RING, base, Slot { owner, earlier: [0; 3] });
        let key = FrontendKey {
            scope: VNI,
            addr: vip.into(),
            ..FrontendKey::default()
        };
        self.put(
            map::FRONTEND,
            key,
            Frontend {
                ring_base: base,
                ring_slots: 1,
                service: 1,
                flags: 0,
            },
        );
    }

    /// `VIP` with this one backend, id 1, whose port is always 8080.
    pub fn vip_to(&mut self, backend: Ipv4Addr) {
        self.backend(1, backend, 8080, 0, 0);
        self.virtual_address(VIP, 1, 1);
    }

    /// Published port 8080 (TCP and UDP) with this one backend at port 80.
    pub fn published_to(&mut self, backend: Ipv4Addr) {
        for (id, proto) in [(11, IPPROTO_TCP), (12, IPPROTO_UDP)] {
            self.backend(id, backend, 80, proto, 0);
            self.frontend(8080, proto, id, id, 0);
        }
    }
}
