//! The lab's broken wires: loses packets between given IPv4 addresses.
//!
//! For tests only, on tc ingress of the switch's port of a node: what the node
//! sends is lost before the switch has it, the outer packets of the overlay
//! included. The lab loads the object, fills the table and looks at the counts;
//! with the last link of the program gone, so are the losses.
#![no_std]
#![no_main]

use aya_ebpf::helpers::generated::bpf_get_prandom_u32;
use aya_ebpf::macros::{classifier, map};
use aya_ebpf::maps::HashMap;
use aya_ebpf::programs::TcContext;

/// Next program, then the stack.
const PASS: i32 = -1;
/// `TC_ACT_SHOT`.
const DROP: i32 = 2;
/// Where the Ethernet header has its protocol.
const ETHERTYPE: usize = 12;
const IPV4: u16 = 0x0800;
/// Source and destination in the IPv4 header, which directly follow each other.
const ADDRESSES: usize = 14 + 12;
/// Every ordered pair of a lab's places many times over.
const RULES: u32 = 1024;

/// Source and destination address, as on the wire, to: how many of 2^32 packets are lost, and how many were.
#[map]
static RULE: HashMap<[u8; 8], [u64; 2]> = HashMap::with_max_entries(RULES, 0);

#[classifier]
pub fn faults(ctx: TcContext) -> i32 {
    // What is too short to have addresses has no rule.
    run(&ctx).unwrap_or(PASS)
}

#[inline(always)]
fn run(ctx: &TcContext) -> Option<i32> {
    if u16::from_be(ctx.load(ETHERTYPE).ok()?) != IPV4 {
        return None;
    }
    let pair: [u8; 8] = ctx.load(ADDRESSES).ok()?;
    let rule = RULE.get_ptr_mut(&pair)?;
    // SAFETY: the element stays readable for the rest of the program (RCU); two CPUs that count at
    // the same time lose a count.
    unsafe {
        let dice = u64::from(bpf_get_prandom_u32());
        if dice >= (*rule)[0] {
            return None;
        }
        (*rule)[1] += 1;
    }
    Some(DROP)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: nothing here can panic; were it otherwise, the verifier would refuse the jump.
    unsafe { core::hint::unreachable_unchecked() }
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
