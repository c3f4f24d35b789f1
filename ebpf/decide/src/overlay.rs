//! `from_overlay`: a packet that came through the tunnel.

use abi::*;

use crate::deliver::{home, to_endpoint};
use crate::probe::{come_back, turn_around};
use crate::published::{Place, published};
use crate::tables::{Table, Tables};
use crate::track::{Side, touch};
use crate::work::{Decision, Verdict, Work};

/// Decides over an IPv4 packet of network `vni` sent by the node `sender` (its tunnel endpoint).
///
/// Mesh requests carry the ingress node and the previous owner in `w.via`, `w.previous`, `w.handed_on`.
#[inline(always)]
pub fn from_overlay<T: Tables>(t: &T, c: &Config, w: &mut Work, vni: u32, sender: &Addr) -> Decision {
    if !t.is_peer(sender) {
        return Err(DropReason::UnknownPeer);
    }
    w.to = w.packet.tuple;
    if vni == VNI_MESH_REQUEST {
        return mesh_request(t, c, w);
    }
    w.via = Be32::from_raw(0);
    w.previous = Be32::from_raw(0);
    match vni {
        VNI_MESH_REPLY => home(t, c, w),
        VNI_PROBE => turn_around(w, sender),
        VNI_PROBE_REPLY => come_back(w),
        _ => network(t, c, w, vni, sender),
    }
}

/// A published flow towards a task of this node. Our own address in either field means us.
#[inline(always)]
fn mesh_request<T: Tables>(t: &T, c: &Config, w: &mut Work) -> Decision {
    let own = c.vtep.low().raw();
    w.addr = Addr::v4(w.via);
    if !t.is_peer(&w.addr) {
        return Err(DropReason::UnknownPeer);
    }
    if w.via.raw() == own {
        w.via = Be32::from_raw(0);
    }
    if w.previous.raw() == own {
        w.previous = Be32::from_raw(0);
    }
    if w.previous.raw() != 0 {
        w.addr = Addr::v4(w.previous);
        if !t.is_peer(&w.addr) {
            return Err(DropReason::UnknownPeer);
        }
    }
    published(t, c, w, Place::Owner).unwrap_or(Err(DropReason::UnknownFrontend))
}

/// Within a network: the source must live on the node that sent the frame, the destination on this one.
#[inline(always)]
fn network<T: Tables>(t: &T, c: &Config, w: &mut Work, vni: u32, sender: &Addr) -> Decision {
    w.endpoint.vni = vni;
    w.endpoint.addr = w.packet.sender;
    if !t
        .endpoint(&w.endpoint)
        .is_some_and(|e| e.vtep == *sender && e.flags & PORT_INGRESS_ONLY == 0)
    {
        return Err(DropReason::SenderMismatch);
    }
    w.key.tuple = w.to;
    w.key.scope = vni;
    w.key.via = Be32::from_raw(0);
    if let Some(flow) = t.flow(Table::Rev, &w.key).filter(|f| f.kind == FLOW_VIRTUAL) {
        touch(t, w, Table::Rev, Table::Ct, flow, Side::Server);
        w.to = flow.to;
    }
    match to_endpoint(t, c, w, vni) {
        Some(Ok(Verdict::Local)) => Ok(Verdict::Local),
        _ => Err(DropReason::NoEndpoint),
    }
}
