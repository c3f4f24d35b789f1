//! Object ids in Swarm's format: 128 random bits as 25 characters of base 36 (`0-9a-z`).
//!
//! Ids are minted at the edge and carried in commands, so that every manager applies the same ones.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::Invalid;

/// Characters of an id; 36^25 > 2^128, so every 128-bit value has exactly one such text.
const LEN: usize = 25;
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

fn encode(mut bits: u128) -> [u8; LEN] {
    let mut text = [b'0'; LEN];
    for digit in text.iter_mut().rev() {
        *digit = DIGITS[(bits % 36) as usize];
        bits /= 36;
    }
    text
}

fn decode(text: &str) -> Option<u128> {
    if text.len() != LEN {
        return None;
    }
    text.bytes().try_fold(0u128, |bits, byte| {
        let digit = DIGITS.iter().position(|d| *d == byte)?;
        bits.checked_mul(36)?.checked_add(digit as u128)
    })
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// Takes 128 bits that the caller drew at random.
            pub const fn from_bits(bits: u128) -> Self {
                Self(bits)
            }

            /// The 128 bits that the text form encodes.
            pub const fn bits(self) -> u128 {
                self.0
            }

            /// The first 12 characters, as tables show them.
            pub fn short(self) -> String {
                self.to_string()[..12].to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let text = encode(self.0);
                f.pad(std::str::from_utf8(&text).unwrap_or_default())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                decode(text).map(Self).ok_or_else(|| Invalid::Id { kind: $kind, text: text.to_owned() })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    )*};
}

ids! {
    /// The cluster; the `O` of every certificate.
    ClusterId "cluster";
    /// A machine; the `CN` of its certificate. Never derived from an address.
    NodeId "node";
    /// A service.
    ServiceId "service";
    /// One attempt to fill a slot.
    TaskId "task";
    /// A network.
    NetworkId "network";
    /// One client request; `apply` remembers it so that a retry changes nothing.
    RequestId "request";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_one_text_of_25_characters() {
        for bits in [0, 1, 35, 36, u128::MAX / 3, u128::MAX] {
            let id = TaskId::from_bits(bits);
            assert_eq!(id.to_string().len(), LEN);
            assert_eq!(id.to_string().parse::<TaskId>().unwrap(), id);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "abc",
            "zzzzzzzzzzzzzzzzzzzzzzzzz",
            "A000000000000000000000000",
            "00000000000000000000000000",
        ] {
            assert!(text.parse::<NodeId>().is_err(), "{text} is no id");
        }
    }
}
