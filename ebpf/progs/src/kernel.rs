//! `decide`'s tables over BPF maps.

use abi::*;
use aya_ebpf::bindings::{__sk_buff, bpf_sock_tuple};
use aya_ebpf::helpers::generated::{bpf_ktime_get_coarse_ns, bpf_sk_release, bpf_skc_lookup_tcp};
use aya_ebpf::maps::LruHashMap;
use decide::{Created, Table, Tables};

use crate::maps::*;
use crate::route;

/// `BPF_NOEXIST`.
const NOEXIST: u64 = 1;
/// `-EEXIST`.
const EEXIST: i32 = -17;
/// `BPF_TCP_TIME_WAIT`.
const TIME_WAIT: u32 = 6;
/// `BPF_TCP_LISTEN`.
const LISTEN: u32 = 10;

/// The maps, and the packet for the helpers that want one (null in socket hooks).
pub struct Kernel {
    pub skb: *mut __sk_buff,
}

#[inline(always)]
fn table(table: Table) -> &'static LruHashMap<FlowKey, Flow> {
    match table {
        Table::Ct => &CT,
        Table::Rev => &REV,
        Table::Snat => &SNAT,
    }
}

macro_rules! lookup {
    ($map:expr, $key:expr) => {
        // SAFETY: the element stays readable for the rest of the program (RCU); a concurrent writer
        // can at worst be seen half way, which costs one packet.
        unsafe { $map.get($key) }
    };
}

impl Tables for Kernel {
    #[inline(always)]
    fn port(&self, ifindex: u32) -> Option<&Port> {
        lookup!(PORT, &ifindex)
    }
    #[inline(always)]
    fn endpoint(&self, key: &EndpointKey) -> Option<&Endpoint> {
        lookup!(ENDPOINT, key)
    }
    #[inline(always)]
    fn dns_client(&self, index: u32) -> Option<&DnsClient> {
        DNS_CLIENT.get(index)
    }
    #[inline(always)]
    fn frontend(&self, key: &FrontendKey) -> Option<&Frontend> {
        lookup!(FRONTEND, key)
    }
    #[inline(always)]
    fn slot(&self, index: u32) -> Option<&Slot> {
        RING.get(index)
    }
    #[inline(always)]
    fn backend(&self, id: u32) -> Option<&Backend> {
        lookup!(BACKEND, &id)
    }
    #[inline(always)]
    fn is_peer(&self, addr: &Addr) -> bool {
        PEER.get_ptr(addr).is_some()
    }
    #[inline(always)]
    fn is_own(&self, addr: &Addr) -> bool {
        HOST_ADDR.get_ptr(addr).is_some()
    }
    #[inline(always)]
    fn source_to(&self, c: &Config, to: &Tuple) -> Option<Addr> {
        if let Some(source) = route::source_to(self.skb, c, to).filter(|source| self.is_own(source)) {
            return Some(source);
        }
        let way = route::look_up(self.skb, c, to, &Addr::NONE).ok()?;
        self.port(way.ifindex).map(|port| port.addr)
    }
    #[inline(always)]
    fn flow(&self, t: Table, key: &FlowKey) -> Option<&Flow> {
        lookup!(table(t), key)
    }
    #[inline(always)]
    fn create(&self, t: Table, key: &FlowKey, flow: &Flow) -> Created {
        match table(t).insert(key, flow, NOEXIST) {
            Ok(()) => Created::New,
            Err(EEXIST) => Created::Taken,
            Err(_) => Created::Full,
        }
    }
    #[inline(always)]
    fn replace(&self, t: Table, key: &FlowKey, flow: &Flow) -> bool {
        table(t).insert(key, flow, 0).is_ok()
    }
    #[inline(always)]
    fn remove(&self, t: Table, key: &FlowKey) {
        // Not there any more: just as well.
        let _ = table(t).remove(key);
    }
    #[inline(always)]
    fn note(&self, t: Table, key: &FlowKey, bits: u8, now: u32) {
        if let Some(flow) = table(t).get_ptr_mut(key) {
            // SAFETY: a live element; a race with another CPU loses a bit or a stamp, and both are
            // written again by the next packet that cares.
            unsafe {
                (*flow).state |= bits;
                (*flow).stamp = now;
            }
        }
    }
    #[inline(always)]
    fn fragment(&self, key: &FragKey) -> Option<&FragPorts> {
        lookup!(FRAG, key)
    }
    #[inline(always)]
    fn keep_fragment(&self, key: &FragKey, ports: &FragPorts) {
        // A full table costs the later fragments, which are then counted as unknown.
        let _ = FRAG.insert(key, ports, 0);
    }
    #[inline(always)]
    fn has_connection(&self, tuple: &Tuple, netns: u32) -> Option<bool> {
        // SAFETY: all-zero is a value of this C union.
        let mut t: bpf_sock_tuple = unsafe { core::mem::zeroed() };
        t.__bindgen_anon_1.ipv4.saddr = tuple.src.low().raw();
        t.__bindgen_anon_1.ipv4.daddr = tuple.dst.low().raw();
        t.__bindgen_anon_1.ipv4.sport = tuple.sport.raw();
        t.__bindgen_anon_1.ipv4.dport = tuple.dport.raw();
        // SAFETY: valid skb and tuple; the socket is released on the only path that has one.
        unsafe {
            let sk = bpf_skc_lookup_tcp(self.skb.cast(), &mut t, 12, netns.wrapping_sub(1) as u64, 0);
            if sk.is_null() {
                return Some(false);
            }
            let state = (*sk).state;
            bpf_sk_release(sk.cast());
            Some(state != LISTEN && state != TIME_WAIT)
        }
    }
    #[inline(always)]
    fn now(&self) -> u32 {
        // SAFETY: no arguments.
        (unsafe { bpf_ktime_get_coarse_ns() } >> 30) as u32
    }
    #[inline(always)]
    fn count(&self, event: Event) {
        tally(EVENT_BASE + event as u32, 0);
    }
}

/// Adds one packet of `bytes` to a row of `STATS`.
#[inline(always)]
pub fn tally(row: u32, bytes: u32) {
    if let Some(t) = STATS.get_ptr_mut(row) {
        // SAFETY: this CPU's own row.
        unsafe {
            (*t).packets += 1;
            (*t).bytes += bytes as u64;
        }
    }
}

/// The node's configuration, if there is one of this version.
#[inline(always)]
pub fn config() -> Result<&'static Config, DropReason> {
    CONFIG
        .get(0)
        .filter(|c| c.abi_version == ABI_VERSION)
        .ok_or(DropReason::NoConfig)
}

/// This CPU's room for the packet at hand.
#[inline(always)]
pub fn scratch() -> Result<&'static mut Scratch, DropReason> {
    match SCRATCH.get_ptr_mut(0) {
        // SAFETY: per CPU, and tc programs of one CPU do not nest.
        Some(s) => Ok(unsafe { &mut *s }),
        None => Err(DropReason::Helper),
    }
}
