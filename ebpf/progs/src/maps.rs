//! The maps. Names, keys and values are `abi`'s; everything but the scratch room is pinned by name.

use abi::*;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, ProgramArray};
use decide::{ArpRequest, Work};

/// Tables that the agent writes take memory as they fill.
const BPF_F_NO_PREALLOC: u32 = 1;
/// The rings can be mapped into the agent's memory.
const BPF_F_MMAPABLE: u32 = 1 << 10;

#[map]
pub static CONFIG: Array<Config> = Array::pinned(1, 0);
#[map]
pub static HOST_ADDR: HashMap<Addr, HostAddrFlags> = HashMap::pinned(HOST_ADDR_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static PEER: HashMap<Addr, PeerFlags> = HashMap::pinned(PEER_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static PORT: HashMap<u32, Port> = HashMap::pinned(PORT_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static ENDPOINT: HashMap<EndpointKey, Endpoint> = HashMap::pinned(ENDPOINT_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static DNS_CLIENT: Array<DnsClient> = Array::pinned(DNS_CLIENT_MAX, 0);
#[map]
pub static FRONTEND: HashMap<FrontendKey, Frontend> = HashMap::pinned(FRONTEND_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static RING: Array<Slot> = Array::pinned(RING_MAX, BPF_F_MMAPABLE);
#[map]
pub static BACKEND: HashMap<u32, Backend> = HashMap::pinned(BACKEND_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static CT: LruHashMap<FlowKey, Flow> = LruHashMap::pinned(CT_MAX, 0);
#[map]
pub static REV: LruHashMap<FlowKey, Flow> = LruHashMap::pinned(CT_MAX, 0);
#[map]
pub static SNAT: LruHashMap<FlowKey, Flow> = LruHashMap::pinned(SNAT_MAX, 0);
#[map]
pub static FRAG: LruHashMap<FragKey, FragPorts> = LruHashMap::pinned(FRAG_MAX, 0);
#[map]
pub static SOCK: LruHashMap<SockKey, Addr> = LruHashMap::pinned(SOCK_MAX, 0);
#[map]
pub static STATS: PerCpuArray<Tally> = PerCpuArray::pinned(STATS_MAX, 0);

/// Room for the packet at hand: the stack is too small. tc programs of one CPU do not nest.
#[repr(C)]
pub struct Scratch {
    pub work: Work,
    pub arp: ArpRequest,
}
#[map]
pub static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);

/// Tests only: the programs that `probe` calls.
#[map]
pub static PROBED: ProgramArray = ProgramArray::with_max_entries(8, 0);
/// Tests only: the first bytes with which `probe` overwrites the packet.
#[map]
pub static TEMPLATE: Array<[u8; 64]> = Array::with_max_entries(1, 0);
