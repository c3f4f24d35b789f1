//! A 64-bit digest of rows, the same on every machine and in every version that has the same fields. Not for secrets.

use std::{net::IpAddr, time::Duration};

/// A digest in the making. Every field goes in with its length where that varies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digest(u64);

impl Digest {
    /// `kind` keeps equal fields of different rows apart.
    pub fn new(kind: u64) -> Self {
        Self(0).number(kind)
    }

    /// One step of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
    pub fn number(self, word: u64) -> Self {
        let mixed = (self.0 ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(mixed ^ (mixed >> 31))
    }

    /// The 128 bits of an id.
    pub fn id(self, bits: u128) -> Self {
        self.number((bits >> 64) as u64).number(bits as u64)
    }

    pub fn text(self, text: &str) -> Self {
        let words = text.as_bytes().chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(word)
        });
        words.fold(self.number(text.len() as u64), Self::number)
    }

    pub fn addr(self, addr: IpAddr) -> Self {
        match addr {
            IpAddr::V4(v4) => self.number(4).number(u64::from(v4.to_bits())),
            IpAddr::V6(v6) => self.number(6).id(v6.to_bits()),
        }
    }

    pub fn span(self, span: Duration) -> Self {
        self.number(span.as_secs()).number(u64::from(span.subsec_nanos()))
    }

    pub fn flag(self, set: bool) -> Self {
        self.number(u64::from(set))
    }

    pub fn finish(self) -> u64 {
        self.0
    }
}
