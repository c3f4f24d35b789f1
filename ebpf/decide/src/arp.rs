//! Which ARP requests are answered. Every answer is the gateway MAC.

use abi::{Addr, Mac, Port};

/// An ARP request for IPv4 over Ethernet.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ArpRequest {
    /// Who asks.
    pub sender: Addr,
    /// Who asks.
    pub sender_mac: Mac,
    /// Keeps the size free of implicit padding.
    pub reserved: [u8; 2],
    /// Whose MAC is wanted.
    pub target: Addr,
}

/// Whether a container's request is answered: Some(false) is a legitimate probe for its own address (duplicate
/// detection must find nobody), None a forged sender.
#[inline(always)]
pub fn arp_target_is_answered(port: &Port, request: &ArpRequest) -> Option<bool> {
    let probe = request.sender.low().raw() == 0;
    if request.sender_mac != port.mac || !(probe || request.sender == port.addr) {
        return None;
    }
    Some(request.target != port.addr && !probe)
}
