//! Turns an ARP request into its answer: the gateway MAC, whoever was asked for.

use abi::{DropReason, EVENT_BASE, Event, GATEWAY_MAC, Mac};
use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::bpf_redirect;
use decide::ArpRequest;

use crate::checksum::write;
use crate::kernel::tally;
use crate::parse::ETH;

/// The Ethernet header and the ARP packet behind it.
#[repr(C, packed)]
struct Answer {
    dst: Mac,
    src: Mac,
    fixed: [u8; 10],
    sender_mac: Mac,
    sender: [u8; 4],
    target_mac: Mac,
    target: [u8; 4],
}

/// Answers out of the device the request came in by.
#[inline(always)]
pub fn answer(skb: *mut __sk_buff, a: &ArpRequest) -> Result<i32, DropReason> {
    let frame = Answer {
        dst: a.sender_mac,
        src: GATEWAY_MAC,
        // EtherType ARP, Ethernet, IPv4, lengths 6 and 4, reply.
        fixed: [0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 2],
        sender_mac: GATEWAY_MAC,
        sender: a.target.low().raw().to_ne_bytes(),
        target_mac: a.sender_mac,
        target: a.sender.low().raw().to_ne_bytes(),
    };
    const { assert!(size_of::<Answer>() == ETH as usize + 28) };
    write(skb, 0, &frame)?;
    tally(EVENT_BASE + Event::ArpAnswered as u32, 0);
    // SAFETY: valid context.
    Ok(unsafe { bpf_redirect((*skb).ifindex, 0) } as i32)
}
