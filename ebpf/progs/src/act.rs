//! Carries a verdict out: rewrite, address the frame, redirect, count.

use abi::*;
use aya_ebpf::bindings::{__sk_buff, bpf_redir_neigh, bpf_tunnel_key};
use aya_ebpf::helpers::generated as helper;
use decide::{Decision, Fragment, Verdict, Work};

use crate::checksum::{make_echo_reply, rewrite, write};
use crate::kernel::tally;
use crate::route;

/// Next program of the chain, then the stack: the packet is not ours.
pub const NEXT: i32 = -1;
const SHOT: i32 = 2;
const PACKET_HOST: u32 = 0;
const ZERO_CSUM_TX: u64 = 2;
const TUNNEL_TTL: u8 = 64;

/// The program's return value; counts a drop.
#[inline(always)]
pub fn finish(skb: *mut __sk_buff, result: Result<i32, DropReason>) -> i32 {
    match result {
        Ok(action) => action,
        Err(reason) => {
            // SAFETY: valid context.
            tally(reason as u32, unsafe { (*skb).len });
            SHOT
        }
    }
}

/// Does what was decided.
#[inline(always)]
pub fn perform(skb: *mut __sk_buff, c: &Config, w: &mut Work, decision: Decision) -> Result<i32, DropReason> {
    let verdict = decision?;
    if verdict == Verdict::Pass {
        tally(EVENT_BASE + Event::Passed as u32, w.packet.len);
        return Ok(NEXT);
    }
    rewrite(skb, &w.packet, &w.to)?;
    if w.packet.kind == decide::Kind::Error {
        tally(EVENT_BASE + Event::IcmpTranslated as u32, 0);
    }
    if w.packet.fragment == Fragment::Later {
        tally(EVENT_BASE + Event::Fragment as u32, 0);
    }
    let (event, action) = match verdict {
        Verdict::Local => (Event::Local, local(skb, w)?),
        Verdict::Remote => (Event::Remote, remote(skb, c, w)?),
        Verdict::MeshRequest => (Event::MeshRequest, mesh_request(skb, c, w)?),
        Verdict::MeshReply => (Event::MeshReply, mesh_reply(skb, c, w)?),
        Verdict::EchoBack => {
            make_echo_reply(skb, &w.packet)?;
            (Event::EchoAnswered, local(skb, w)?)
        }
        Verdict::Host => (Event::Host, host(skb, c)?),
        Verdict::Uplink | Verdict::Pass => (Event::Uplink, uplink(skb, c, w)?),
    };
    tally(EVENT_BASE + event as u32, w.packet.len);
    Ok(action)
}

/// Writes both MACs.
#[inline(always)]
fn address(skb: *mut __sk_buff, dst: Mac, src: Mac) -> Result<(), DropReason> {
    write(skb, 0, &[dst, src])
}

#[inline(always)]
fn local(skb: *mut __sk_buff, w: &Work) -> Result<i32, DropReason> {
    address(skb, w.out.mac, GATEWAY_MAC)?;
    Ok(into_namespace(skb, w.out.ifindex))
}

/// Into the namespace behind a veth, without a trip through the host's queue. The packet was addressed to another MAC
/// than the device's, which the stack over there would take for somebody else's.
#[inline(always)]
pub fn into_namespace(skb: *mut __sk_buff, ifindex: u32) -> i32 {
    // SAFETY: valid context.
    unsafe {
        if (*skb).pkt_type != PACKET_HOST {
            helper::bpf_skb_change_type(skb, PACKET_HOST);
        }
        helper::bpf_redirect_peer(ifindex, 0) as i32
    }
}

#[inline(always)]
fn remote(skb: *mut __sk_buff, c: &Config, w: &Work) -> Result<i32, DropReason> {
    address(skb, VXLAN_MAC, GATEWAY_MAC)?;
    tunnel(skb, c, w.out.vni, &w.out.vtep)
}

#[inline(always)]
fn mesh_reply(skb: *mut __sk_buff, c: &Config, w: &Work) -> Result<i32, DropReason> {
    address(skb, VXLAN_MAC, GATEWAY_MAC)?;
    tunnel(skb, c, VNI_MESH_REPLY, &w.out.vtep)
}

/// The inner MACs carry the ingress node, the owner to hand on to and its place: free space in the frame.
#[inline(always)]
fn mesh_request(skb: *mut __sk_buff, c: &Config, w: &Work) -> Result<i32, DropReason> {
    let dst = mesh_mac(w.out.previous, w.out.place as u8);
    let src = mesh_mac(w.out.ingress, w.out.handed_on as u8);
    address(skb, dst, src)?;
    tunnel(skb, c, VNI_MESH_REQUEST, &w.out.vtep)
}

#[inline(always)]
fn mesh_mac(vtep: Be32, mark: u8) -> Mac {
    let a = vtep.raw().to_ne_bytes();
    [0x02, mark, a[0], a[1], a[2], a[3]]
}

/// Reads what [`mesh_request`] wrote.
#[inline(always)]
pub fn read_mesh_macs(w: &mut Work) {
    let (d, s) = (w.packet.dst_mac, w.packet.src_mac);
    w.previous = Be32::from_raw(u32::from_ne_bytes([d[2], d[3], d[4], d[5]]));
    w.place = d[1] as u32;
    w.via = Be32::from_raw(u32::from_ne_bytes([s[2], s[3], s[4], s[5]]));
    w.handed_on = s[1] as u32;
}

/// Through `ntl-vx0`. The own end is named, since a peer knows this node by that address alone.
#[inline(always)]
fn tunnel(skb: *mut __sk_buff, c: &Config, vni: u32, vtep: &Addr) -> Result<i32, DropReason> {
    // SAFETY: all-zero is a value of this C struct.
    let mut key: bpf_tunnel_key = unsafe { core::mem::zeroed() };
    key.tunnel_id = vni;
    key.tunnel_ttl = TUNNEL_TTL;
    key.__bindgen_anon_1.remote_ipv4 = vtep.low().get();
    key.__bindgen_anon_3.local_ipv4 = c.vtep.low().get();
    // SAFETY: valid context, key of the size given.
    unsafe {
        if helper::bpf_skb_set_tunnel_key(skb, &mut key, size_of::<bpf_tunnel_key>() as u32, ZERO_CSUM_TX) != 0 {
            return Err(DropReason::Helper);
        }
        Ok(helper::bpf_redirect(c.vx_ifindex, 0) as i32)
    }
}

/// Up the host's own stack, as if it had come in over `ntl-host`.
#[inline(always)]
fn host(skb: *mut __sk_buff, c: &Config) -> Result<i32, DropReason> {
    address(skb, c.host_mac, GATEWAY_MAC)?;
    // SAFETY: scalars.
    Ok(unsafe { helper::bpf_redirect(c.hostp_ifindex, 0) } as i32)
}

/// Out of the device the routes name, by its neighbour table.
#[inline(always)]
fn uplink(skb: *mut __sk_buff, c: &Config, w: &Work) -> Result<i32, DropReason> {
    let way = route::look_up(skb, c, &w.to, &w.to.src)?;
    // SAFETY: all-zero is a value of this C struct.
    let mut hop: bpf_redir_neigh = unsafe { core::mem::zeroed() };
    hop.nh_family = route::AF_INET as u32;
    hop.__bindgen_anon_1.ipv4_nh = way.hop.raw();
    // SAFETY: parameters of the size given.
    Ok(unsafe { helper::bpf_redirect_neigh(way.ifindex, &mut hop, size_of::<bpf_redir_neigh>() as i32, 0) } as i32)
}
