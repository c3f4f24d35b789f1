//! tc ingress of every addressed Ethernet device of the host that is not ours. Leaves alone
//! whatever is not for a published port or an answer to a masqueraded flow, broken frames included.

use abi::{Be32, DropReason};
use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use decide::{Fragment, Verdict};

use crate::kernel::{Kernel, config, scratch};
use crate::parse::Frame;
use crate::{act, parse};

#[classifier]
pub fn from_uplink(ctx: TcContext) -> i32 {
    let skb = ctx.skb.skb;
    act::finish(skb, run(skb))
}

#[inline(always)]
fn run(skb: *mut __sk_buff) -> Result<i32, DropReason> {
    let Ok(c) = config() else { return Ok(act::NEXT) };
    let s = scratch()?;
    let w = &mut s.work;
    let k = Kernel { skb };
    let none = Be32::from_raw(0);
    // For the device of that VLAN, which has programs of its own.
    if parse::is_tagged(skb) {
        return Ok(act::NEXT);
    }
    match parse::frame(skb, &mut w.packet) {
        Ok(Frame::Ipv4) => {}
        _ => return Ok(act::NEXT),
    }
    if w.packet.fragment == Fragment::Later && !decide::restore_ports(&k, w, 0, none) {
        return Ok(act::NEXT);
    }
    let decision = decide::from_uplink(&k, c, w);
    if w.packet.fragment == Fragment::First && !matches!(decision, Ok(Verdict::Pass) | Err(_)) {
        decide::remember_ports(&k, w, 0, none);
    }
    act::perform(skb, c, w, decision)
}
