//! Object ids in Swarm's format: 128 random bits as 25 characters of base 36 (`0-9a-z`).
//!
//! Ids are minted at the edge and carried in commands, so that every manager applies the same ones.

use std::{fmt, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
};

use crate::Invalid;

/// Characters of an id; 36^25 > 2^128, so every 128-bit value has exactly one such text.
const LEN: usize = 25;
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// 36^12, the highest power of 12 digits that fits in 64 bits. Splitting there keeps 128-bit divisions, which are slow, to
/// two an id.
const TWELVE_DIGITS: u128 = 36u128.pow(12);

fn encode(bits: u128) -> [u8; LEN] {
    let mut text = [b'0'; LEN];
    let parts = [
        bits / TWELVE_DIGITS / TWELVE_DIGITS,
        bits / TWELVE_DIGITS % TWELVE_DIGITS,
        bits % TWELVE_DIGITS,
    ];
    for (part, digits) in parts.into_iter().zip([0..1, 1..13, 13..LEN]) {
        let mut part = part as u64;
        for digit in text[digits].iter_mut().rev() {
            *digit = DIGITS[(part % 36) as usize];
            part /= 36;
        }
    }
    text
}

fn value(digit: u8) -> Option<u64> {
    match digit {
        b'0'..=b'9' => Some(u64::from(digit - b'0')),
        b'a'..=b'z' => Some(u64::from(digit - b'a') + 10),
        _ => None,
    }
}

fn decode(text: &str) -> Option<u128> {
    if text.len() != LEN {
        return None;
    }
    let (head, tail) = text.as_bytes().split_at(LEN - 12);
    let number = |digits: &[u8]| digits.iter().try_fold(0u64, |n, digit| Some(n * 36 + value(*digit)?));
    let (first, head) = head.split_first()?;
    let high = u128::from(value(*first)?) * TWELVE_DIGITS + u128::from(number(head)?);
    high.checked_mul(TWELVE_DIGITS)?.checked_add(u128::from(number(tail)?))
}

/// Reads the text of an id of this kind without a copy of it.
struct Text(&'static str);

impl Visitor<'_> for Text {
    type Value = u128;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {} id", self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u128, E> {
        decode(text).ok_or_else(|| {
            E::custom(Invalid::Id {
                kind: self.0,
                text: text.to_owned(),
            })
        })
    }
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
                serializer.serialize_str(std::str::from_utf8(&encode(self.0)).unwrap_or_default())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Text($kind)).map(Self)
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
    /// A secret or config.
    PayloadId "secret or config";
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
