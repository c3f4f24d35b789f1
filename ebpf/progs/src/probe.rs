//! For tests and benchmarks, never attached: runs another program on a packet made to order.
//!
//! `BPF_PROG_TEST_RUN` can neither give a packet a tunnel key nor restore it between repetitions.
//! The control block says what to do: `cb[0]` program in `PROBED`, `cb[1]` VNI and `cb[2]` tunnel source
//! (host order; 0 = no key), `cb[3]` 1 = write `TEMPLATE` over the packet's first bytes.

use aya_ebpf::bindings::bpf_tunnel_key;
use aya_ebpf::helpers::generated::bpf_skb_set_tunnel_key;
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;

use crate::checksum::write;
use crate::maps::{PROBED, TEMPLATE};

#[classifier]
pub fn probe(ctx: TcContext) -> i32 {
    let skb = ctx.skb.skb;
    // SAFETY: valid context.
    let cb = unsafe { (*skb).cb };
    if cb[3] != 0
        && let Some(template) = TEMPLATE.get(0)
        && write(skb, 0, template).is_err()
    {
        return -2;
    }
    if cb[2] != 0 {
        // SAFETY: all-zero is a value of this C struct.
        let mut key: bpf_tunnel_key = unsafe { core::mem::zeroed() };
        key.tunnel_id = cb[1];
        key.__bindgen_anon_3.local_ipv4 = cb[2];
        // SAFETY: valid context, key of the size given.
        if unsafe { bpf_skb_set_tunnel_key(skb, &mut key, size_of::<bpf_tunnel_key>() as u32, 0) } != 0 {
            return -3;
        }
    }
    // SAFETY: nothing here needs dropping.
    unsafe { PROBED.tail_call(&ctx, cb[0]) };
    -4
}
