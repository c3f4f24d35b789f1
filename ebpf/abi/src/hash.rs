//! The hash that chooses a ring slot, the same in every program and in user space.
//!
//! Finalizer of MurmurHash3 over the folded words: the ring needs a flat spread over sequential
//! ports and addresses, nothing more (an attacker who aims at one backend can aim at it anyway).

use crate::{Addr, Be16};

/// MurmurHash3's 32-bit finalizer.
#[inline(always)]
pub const fn mix(mut h: u32) -> u32 {
    h ^= h >> 16;
    h = h.wrapping_mul(0x85eb_ca6b);
    h ^= h >> 13;
    h = h.wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

/// Hash of a client and the port it asks for. The frontend's address has no part in it, so that a
/// client arriving through another node lands on the same task.
#[inline(always)]
pub const fn ring_hash(client: &Addr, client_port: Be16, proto: u8, port: Be16) -> u32 {
    let w = client.words();
    let mut h = mix(w[3] ^ 0x9e37_79b9);
    h = mix(h ^ w[0] ^ w[1].rotate_left(11) ^ w[2].rotate_left(22));
    h = mix(h ^ (((client_port.get() as u32) << 16) | port.get() as u32));
    mix(h.wrapping_add(proto as u32))
}

/// The slot of a ring (relative to its base) for a hash; 0 when the ring is empty.
#[inline(always)]
pub const fn ring_slot(hash: u32, slots: u32) -> u32 {
    if slots == 0 { 0 } else { hash % slots }
}
