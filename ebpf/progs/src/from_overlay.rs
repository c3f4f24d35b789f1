//! tc ingress of `ntl-vx0`: everything other nodes send.

use abi::{Addr, Be32, DropReason, VNI_MESH_REQUEST};
use aya_ebpf::bindings::{__sk_buff, bpf_tunnel_key};
use aya_ebpf::helpers::generated::bpf_skb_get_tunnel_key;
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use decide::Fragment;

use crate::kernel::{Kernel, config, scratch};
use crate::parse::Frame;
use crate::{act, parse};

#[classifier]
pub fn from_overlay(ctx: TcContext) -> i32 {
    let skb = ctx.skb.skb;
    act::finish(skb, run(skb))
}

#[inline(always)]
fn run(skb: *mut __sk_buff) -> Result<i32, DropReason> {
    let c = config()?;
    let s = scratch()?;
    let w = &mut s.work;
    let k = Kernel { skb };
    let (vni, sender) = tunnel_key(skb)?;
    match parse::frame(skb, &mut w.packet)? {
        Frame::Ipv4 => {}
        Frame::Ipv6 => return Err(DropReason::Ipv6),
        Frame::Arp | Frame::Other => return Err(DropReason::UnknownEthertype),
    }
    if vni == VNI_MESH_REQUEST {
        act::read_mesh_macs(w);
    }
    if w.packet.fragment == Fragment::Later && !decide::restore_ports(&k, w, vni, sender) {
        return Err(DropReason::FragmentUnknown);
    }
    let decision = decide::from_overlay(&k, c, w, vni, &Addr::v4(sender));
    if w.packet.fragment == Fragment::First && decision.is_ok() {
        decide::remember_ports(&k, w, vni, sender);
    }
    act::perform(skb, c, w, decision)
}

/// Network and sending node.
#[inline(always)]
fn tunnel_key(skb: *mut __sk_buff) -> Result<(u32, Be32), DropReason> {
    // SAFETY: all-zero is a value of this C struct.
    let mut key: bpf_tunnel_key = unsafe { core::mem::zeroed() };
    // SAFETY: valid context, key of the size given; on success the IPv4 member is set.
    unsafe {
        if bpf_skb_get_tunnel_key(skb, &mut key, size_of::<bpf_tunnel_key>() as u32, 0) != 0 {
            return Err(DropReason::NoTunnelKey);
        }
        Ok((key.tunnel_id, Be32::new(key.__bindgen_anon_1.remote_ipv4)))
    }
}
