//! tc ingress of a container's host veth: everything a container sends.

use abi::{Be32, DropReason};
use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use decide::{Fragment, Tables, Work};

use crate::kernel::{Kernel, config, scratch, tally};
use crate::parse::Frame;
use crate::{act, arp, parse, reset};

#[classifier]
pub fn from_container(ctx: TcContext) -> i32 {
    let skb = ctx.skb.skb;
    act::finish(skb, run(skb))
}

#[inline(always)]
fn run(skb: *mut __sk_buff) -> Result<i32, DropReason> {
    let c = config()?;
    let s = scratch()?;
    let k = Kernel { skb };
    // SAFETY: valid context.
    let ifindex = unsafe { (*skb).ifindex };
    let port = k.port(ifindex).ok_or(DropReason::UnknownPort)?;
    // The tag would stay with the packet, out of the uplink into a VLAN that is not the container's.
    if parse::is_tagged(skb) {
        return Err(DropReason::UnknownEthertype);
    }
    match parse::frame(skb, &mut s.work.packet)? {
        Frame::Ipv4 => {}
        Frame::Ipv6 => return Err(DropReason::Ipv6),
        Frame::Other => return Err(DropReason::UnknownEthertype),
        Frame::Arp => {
            // Announcements of the own address and answers need none; both are dropped with the forged ones.
            let answered = parse::arp(skb, &mut s.arp)? && decide::arp_target_is_answered(port, &s.arp) == Some(true);
            return if answered {
                arp::answer(skb, &s.arp)
            } else {
                Err(DropReason::SpoofedArp)
            };
        }
    }
    let w: &mut Work = &mut s.work;
    let (vni, none) = (port.vni, Be32::from_raw(0));
    if w.packet.fragment == Fragment::Later && !decide::restore_ports(&k, w, vni, none) {
        return Err(DropReason::FragmentUnknown);
    }
    let decision = decide::from_container(&k, c, w, port, ifindex);
    if w.packet.fragment == Fragment::First && decision.is_ok() {
        decide::remember_ports(&k, w, vni, none);
    }
    if let Err(reason) = decision
        && w.packet.deserves_reset(reason)
    {
        tally(reason as u32, w.packet.len);
        reset::make(skb, w, port.mac)?;
        return Ok(act::into_namespace(skb, ifindex));
    }
    act::perform(skb, c, w, decision)
}
