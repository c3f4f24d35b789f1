//! Join tokens: the text that lets a machine into the cluster, and pins the cluster's root certificate for it.
//!
//! `SWMTKN-1-<digest>-<secret>`, as Swarm writes them. The digest is the SHA-256 of the root certificate's DER bytes, in
//! base 36, 50 characters; the secret is 128 random bits in base 36, 25 characters. Managers mint tokens and compare
//! them in constant time; a joining node checks the digest of the root certificate that it was given before it sends the
//! token anywhere. Which role a token gives is known to the managers only. Hashing is the caller's: nothing here does.

use std::{fmt, str::FromStr};

use crate::Invalid;

/// Format of the token, and the version of that format.
const PREFIX: &str = "SWMTKN-1-";
/// 36^50 > 2^256, so every digest has exactly one such text.
const DIGEST_CHARS: usize = 50;
/// 36^25 > 2^128, so every secret has exactly one such text.
const SECRET_CHARS: usize = 25;
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A join token. Its `Debug` form shows the digest only; `Display` is the whole text.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// SHA-256 of the root certificate's DER bytes.
    pub digest: [u8; 32],
    /// Random bytes; compared in constant time by the managers, never logged.
    pub secret: [u8; 16],
}

impl JoinToken {
    /// Whether `digest`, the SHA-256 of a root certificate's DER bytes, is the one that this token pins. Public data:
    /// the comparison need not take constant time.
    pub fn pins(&self, digest: &[u8]) -> bool {
        self.digest == digest
    }
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = encode(&self.digest, DIGEST_CHARS);
        write!(f, "{PREFIX}{digest}-{}", encode(&self.secret, SECRET_CHARS))
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}-..", encode(&self.digest, DIGEST_CHARS))
    }
}

impl FromStr for JoinToken {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (digest, secret) = text
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('-'))
            .ok_or(Invalid::Token)?;
        Ok(Self {
            digest: decode(digest, DIGEST_CHARS).ok_or(Invalid::Token)?,
            secret: decode(secret, SECRET_CHARS).ok_or(Invalid::Token)?,
        })
    }
}

/// `bytes`, a big-endian number, as `chars` digits of base 36 by repeated long division.
fn encode(bytes: &[u8], chars: usize) -> String {
    let mut number = bytes.to_vec();
    let mut text = vec![b'0'; chars];
    for digit in text.iter_mut().rev() {
        let mut rest = 0u32;
        for byte in &mut number {
            let part = rest << 8 | u32::from(*byte);
            *byte = (part / 36) as u8;
            rest = part % 36;
        }
        *digit = DIGITS[rest as usize];
    }
    text.into_iter().map(char::from).collect()
}

/// The inverse of [`encode`]; `None` for another length, another character, or a number that is too large.
fn decode<const N: usize>(text: &str, chars: usize) -> Option<[u8; N]> {
    if text.len() != chars {
        return None;
    }
    let mut number = [0u8; N];
    for char in text.bytes() {
        let mut carry = DIGITS.iter().position(|d| *d == char)? as u32;
        for byte in number.iter_mut().rev() {
            let part = u32::from(*byte) * 36 + carry;
            *byte = (part & 0xff) as u8;
            carry = part >> 8;
        }
        if carry > 0 {
            return None;
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_swarms_shape_and_round_trip() {
        for (d, s) in [(0, 0), (0xff, 0xff), (0x5a, 1)] {
            let token = JoinToken {
                digest: [d; 32],
                secret: [s; 16],
            };
            let text = token.to_string();
            assert_eq!(text.len(), PREFIX.len() + DIGEST_CHARS + 1 + SECRET_CHARS);
            assert_eq!(text.parse(), Ok(token));
        }
    }

    #[test]
    fn other_texts_are_no_tokens() {
        let good = JoinToken {
            digest: [7; 32],
            secret: [9; 16],
        }
        .to_string();
        let too_large = format!("{PREFIX}{}-{}", "z".repeat(50), "z".repeat(25));
        for bad in [
            "",
            "SWMTKN-1-abc-def",
            &good[1..],
            &good[..good.len() - 1],
            &too_large,
            &good.to_uppercase(),
        ] {
            assert_eq!(bad.parse::<JoinToken>(), Err(Invalid::Token), "{bad}");
        }
    }

    #[test]
    fn debug_hides_the_secret() {
        let token = JoinToken {
            digest: [7; 32],
            secret: [9; 16],
        };
        assert!(token.to_string().starts_with(&format!("{token:?}")[..50]));
        assert!(format!("{token:?}").ends_with("-.."));
    }
}
