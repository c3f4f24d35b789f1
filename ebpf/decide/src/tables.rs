//! The tables a decision may ask, and the few ways it may change them.
//!
//! Implemented over BPF maps by `ebpf/progs` and over ordered maps by the tests. References stay
//! valid for the rest of the packet; concurrent writers may change what is behind them.

use abi::*;

/// The three flow tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Client side to backend or world.
    Ct,
    /// Task side back to client.
    Rev,
    /// World back to container.
    Snat,
}

/// Outcome of inserting a key that should be new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It was, and is there now.
    New,
    /// Somebody has it.
    Taken,
    /// The table refused.
    Full,
}

/// Lookups and changes; all by key, none iterates.
pub trait Tables {
    /// Row of the host veth the packet came from.
    fn port(&self, ifindex: u32) -> Option<&Port>;
    /// An endpoint of a network.
    fn endpoint(&self, key: &EndpointKey) -> Option<&Endpoint>;
    /// The endpoint behind a resolver-side address.
    fn dns_client(&self, index: u32) -> Option<&DnsClient>;
    /// A virtual or published address.
    fn frontend(&self, key: &FrontendKey) -> Option<&Frontend>;
    /// A slot by its absolute index.
    fn slot(&self, index: u32) -> Option<&Slot>;
    /// A backend by id.
    fn backend(&self, id: u32) -> Option<&Backend>;
    /// Whether a node of the cluster has this tunnel endpoint.
    fn is_peer(&self, addr: &Addr) -> bool;
    /// Whether this node has the address.
    fn is_own(&self, addr: &Addr) -> bool;
    /// The address that this node's packets to `to` leave with, by its routes; None when it cannot be told.
    fn source_to(&self, c: &Config, to: &Tuple) -> Option<Addr>;
    /// A flow record.
    fn flow(&self, table: Table, key: &FlowKey) -> Option<&Flow>;
    /// Insert a flow record unless the key is taken.
    fn create(&self, table: Table, key: &FlowKey, flow: &Flow) -> Created;
    /// Insert or overwrite a flow record; false when the table refused.
    fn replace(&self, table: Table, key: &FlowKey, flow: &Flow) -> bool;
    /// Forget a flow record.
    fn remove(&self, table: Table, key: &FlowKey);
    /// Add state bits to a record, if it is there, and set its stamp.
    fn note(&self, table: Table, key: &FlowKey, bits: u8, now: u32);
    /// Ports of a datagram's first fragment.
    fn fragment(&self, key: &FragKey) -> Option<&FragPorts>;
    /// Keep the ports of a first fragment.
    fn keep_fragment(&self, key: &FragKey, ports: &FragPorts);
    /// Whether a TCP socket other than a listener or one in TIME_WAIT owns `tuple` (in the direction
    /// towards it) in the namespace with this id (plus one); None when it cannot be told.
    fn has_connection(&self, tuple: &Tuple, netns: u32) -> Option<bool>;
    /// Monotonic clock in units of 2^30 ns.
    fn now(&self) -> u32;
    /// Count something that happens beside the packet's own verdict.
    fn count(&self, event: Event);
}
