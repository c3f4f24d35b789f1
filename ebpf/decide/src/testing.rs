//! Tables in memory and packets made by hand, for the tests of this crate.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use abi::*;

use crate::tables::{Created, Table, Tables};
use crate::work::{Kind, Work};

/// Ordered maps in place of the kernel's.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) endpoints: BTreeMap<EndpointKey, Endpoint>,
    pub(crate) frontends: BTreeMap<FrontendKey, Frontend>,
    pub(crate) ring: Vec<Slot>,
    pub(crate) backends: BTreeMap<u32, Backend>,
    pub(crate) peers: BTreeSet<Addr>,
    pub(crate) own: BTreeSet<Addr>,
    /// Own addresses by where packets go.
    pub(crate) sources: BTreeMap<Addr, Addr>,
    pub(crate) flows: RefCell<BTreeMap<(Table, FlowKey), Flow>>,
    pub(crate) counted: RefCell<Vec<Event>>,
    pub(crate) now: u32,
    pub(crate) connected: Option<bool>,
}

/// A copy that lives as long as the test.
fn kept<T>(value: Option<T>) -> Option<&'static T> {
    value.map(|v| &*Box::leak(Box::new(v)))
}

impl Tables for Memory {
    fn port(&self, _: u32) -> Option<&Port> {
        None
    }
    fn endpoint(&self, key: &EndpointKey) -> Option<&Endpoint> {
        self.endpoints.get(key)
    }
    fn dns_client(&self, _: u32) -> Option<&DnsClient> {
        None
    }
    fn frontend(&self, key: &FrontendKey) -> Option<&Frontend> {
        self.frontends.get(key)
    }
    fn slot(&self, index: u32) -> Option<&Slot> {
        self.ring.get(index as usize)
    }
    fn backend(&self, id: u32) -> Option<&Backend> {
        self.backends.get(&id)
    }
    fn is_peer(&self, addr: &Addr) -> bool {
        self.peers.contains(addr)
    }
    fn is_own(&self, addr: &Addr) -> bool {
        self.own.contains(addr)
    }
    fn source_to(&self, _: &Config, to: &Tuple) -> Option<Addr> {
        self.sources.get(&to.dst).copied()
    }
    fn flow(&self, table: Table, key: &FlowKey) -> Option<&Flow> {
        kept(self.flows.borrow().get(&(table, *key)).copied())
    }
    fn create(&self, table: Table, key: &FlowKey, flow: &Flow) -> Created {
        let mut flows = self.flows.borrow_mut();
        if flows.contains_key(&(table, *key)) {
            return Created::Taken;
        }
        flows.insert((table, *key), *flow);
        Created::New
    }
    fn replace(&self, table: Table, key: &FlowKey, flow: &Flow) -> bool {
        self.flows.borrow_mut().insert((table, *key), *flow);
        true
    }
    fn remove(&self, table: Table, key: &FlowKey) {
        self.flows.borrow_mut().remove(&(table, *key));
    }
    fn note(&self, table: Table, key: &FlowKey, bits: u8, now: u32) {
        if let Some(flow) = self.flows.borrow_mut().get_mut(&(table, *key)) {
            flow.state |= bits;
            flow.stamp = now;
        }
    }
    fn fragment(&self, _: &FragKey) -> Option<&FragPorts> {
        None
    }
    fn keep_fragment(&self, _: &FragKey, _: &FragPorts) {}
    fn has_connection(&self, _: &Tuple, _: u32) -> Option<bool> {
        self.connected
    }
    fn now(&self) -> u32 {
        self.now
    }
    fn count(&self, event: Event) {
        self.counted.borrow_mut().push(event);
    }
}

/// The address 10.0.0.`n`.
pub(crate) fn addr(n: u8) -> Addr {
    Addr::from_v4_octets([10, 0, 0, n])
}

/// A node's configuration: tunnel endpoint and source address 10.0.0.1.
pub(crate) fn config() -> Config {
    Config {
        abi_version: ABI_VERSION,
        vtep: addr(1),
        snat_addr: addr(1),
        snat_port_min: SNAT_PORT_MIN,
        snat_port_max: SNAT_PORT_MAX,
        data_port: Be16::new(DATA_PORT),
        ..Config::default()
    }
}

/// A TCP packet from 10.0.0.`src`:`sport` to 10.0.0.`dst`:`dport`, ready to be decided over.
pub(crate) fn segment(src: u8, sport: u16, dst: u8, dport: u16, flags: u8) -> Work {
    let mut w = Work::default();
    w.packet.kind = Kind::Tcp;
    w.packet.tcp_flags = flags;
    w.packet.tuple = Tuple {
        src: addr(src),
        dst: addr(dst),
        sport: Be16::new(sport),
        dport: Be16::new(dport),
        proto: IPPROTO_TCP,
        reserved: [0; 3],
    };
    w.packet.sender = addr(src);
    w.to = w.packet.tuple;
    w
}

/// A TCP backend at 10.0.0.`n`:80 in network 7 on the node with tunnel endpoint 10.0.0.`node`.
pub(crate) fn backend(n: u8, node: u8, flags: u32) -> Backend {
    let (proto, port) = (IPPROTO_TCP, Be16::new(80));
    Backend {
        addr: addr(n),
        vtep: addr(node),
        vni: 7,
        flags,
        port,
        proto,
        reserved: 0,
    }
}
