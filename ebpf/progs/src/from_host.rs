//! tc ingress of `ntl-hostp` and `ntl-dns`: what the host's own stack and the resolver send to the node-internal addresses.

use abi::{Be32, DropReason};
use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use decide::Fragment;

use crate::kernel::{Kernel, config, scratch};
use crate::parse::Frame;
use crate::{act, arp, parse};

/// Length of a UDP header.
const UDP: u32 = 8;
/// Scope of fragment keys of the host, apart from the uplinks'.
const SCOPE: u32 = 1;

#[classifier]
pub fn from_host(ctx: TcContext) -> i32 {
    let skb = ctx.skb.skb;
    act::finish(skb, run(skb))
}

#[inline(always)]
fn run(skb: *mut __sk_buff) -> Result<i32, DropReason> {
    let c = config()?;
    let s = scratch()?;
    let k = Kernel { skb };
    let none = Be32::from_raw(0);
    match parse::frame(skb, &mut s.work.packet)? {
        Frame::Ipv4 => {}
        Frame::Ipv6 => return Err(DropReason::Ipv6),
        Frame::Other => return Err(DropReason::UnknownEthertype),
        Frame::Arp => {
            let request = parse::arp(skb, &mut s.arp)?;
            return if request {
                arp::answer(skb, &s.arp)
            } else {
                Err(DropReason::SpoofedArp)
            };
        }
    }
    let w = &mut s.work;
    if w.packet.fragment == Fragment::Later && !decide::restore_ports(&k, w, SCOPE, none) {
        return Err(DropReason::FragmentUnknown);
    }
    let decision = if decide::is_probe(&w.packet) {
        let target: u32 = parse::read(skb, w.packet.l4 + UDP)?;
        decide::probe(&k, w, Be32::from_raw(target))
    } else {
        decide::from_host(&k, c, w)
    };
    if w.packet.fragment == Fragment::First && decision.is_ok() {
        decide::remember_ports(&k, w, SCOPE, none);
    }
    act::perform(skb, c, w, decision)
}
