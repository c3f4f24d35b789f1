//! Sealing of bytes: XChaCha20-Poly1305. Its nonces of 192 bits may be drawn at random however much is sealed under one
//! key, so that nothing has to be counted across restarts.

use std::fmt;

use chacha20poly1305::{
    Key as CipherKey, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, KeyInit as _, Payload},
};
use thiserror::Error;
use zeroize::Zeroizing;

/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// Bytes that were not sealed under this key for this place, or were changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it is damaged, or was sealed under another key or for another place")]
pub struct NotOpened;

/// A secret key; wiped from memory when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(pub(crate) Zeroizing<[u8; KEY_BYTES]>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// A fresh key.
    ///
    /// # Panics
    /// If the kernel has no randomness to give, which it does not do once it has booted.
    pub fn fresh() -> Self {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        fill(bytes.as_mut());
        Self(bytes)
    }

    /// A key of these bytes; `None` if they are not as many as a key has.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(CipherKey::from_slice(self.0.as_ref()))
    }

    /// Nonce, then `plain` encrypted and authenticated together with `place`: whoever opens it must name the same.
    ///
    /// # Panics
    /// If `plain` has more than 256 GiB, the cipher's limit.
    #[allow(clippy::expect_used, reason = "nothing of that size fits into memory")]
    pub fn seal(&self, place: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        fill(&mut nonce);
        let payload = Payload { msg: plain, aad: place };
        let sealed = self.cipher().encrypt(XNonce::from_slice(&nonce), payload);
        let mut bytes = nonce.to_vec();
        bytes.extend(sealed.expect("less than 256 GiB"));
        bytes
    }

    /// The inverse of [`Key::seal`].
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, NotOpened> {
        let (nonce, msg) = sealed.split_at_checked(NONCE_BYTES).ok_or(NotOpened)?;
        let payload = Payload { msg, aad: place };
        let plain = self.cipher().decrypt(XNonce::from_slice(nonce), payload);
        plain.map_err(|_| NotOpened)
    }
}

#[allow(clippy::expect_used, reason = "a key or nonce that is not random would be worse")]
fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the kernel gives randomness");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_with_the_same_key_for_the_same_place_and_unchanged() {
        let key = Key::fresh();
        let sealed = key.seal(b"here", b"plain");
        assert_eq!(key.open(b"here", &sealed).unwrap(), b"plain");
        assert_eq!(key.open(b"there", &sealed), Err(NotOpened));
        assert_eq!(Key::fresh().open(b"here", &sealed), Err(NotOpened));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(key.open(b"here", &changed), Err(NotOpened), "byte {at}");
            assert_eq!(key.open(b"here", &sealed[..at]), Err(NotOpened), "cut at {at}");
        }
        assert_ne!(key.seal(b"here", b"plain"), sealed, "a nonce of its own");
        assert!(!sealed.windows(5).any(|part| part == b"plain"));
    }
}
