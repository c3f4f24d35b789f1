//! The node's private key on a manager's disk while autolock is on: sealed under the unlock key, in a form that no
//! program takes for a usable key.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{NotOpened, UnlockKey};

const BEGIN: &str = "-----BEGIN NETCTL SEALED KEY-----\n";
const END: &str = "\n-----END NETCTL SEALED KEY-----\n";
const PLACE: &[u8] = b"netctl node key";

/// `key_pem` under the unlock key, if there is one.
pub fn cover(key_pem: &str, unlock: Option<&UnlockKey>) -> String {
    let Some(unlock) = unlock else {
        return key_pem.to_owned();
    };
    let sealed = unlock.key().seal(PLACE, key_pem.as_bytes());
    format!("{BEGIN}{}{END}", BASE64_STANDARD.encode(sealed))
}

/// Whether a text needs the unlock key.
pub fn is_covered(text: &str) -> bool {
    text.starts_with(BEGIN)
}

/// The inverse of [`cover`].
pub fn uncover(text: &str, unlock: &UnlockKey) -> Result<String, NotOpened> {
    let Some(rest) = text.strip_prefix(BEGIN) else {
        return Ok(text.to_owned());
    };
    let sealed = rest
        .strip_suffix(END)
        .and_then(|sealed| BASE64_STANDARD.decode(sealed).ok());
    let plain = unlock.key().open(PLACE, &sealed.ok_or(NotOpened)?)?;
    String::from_utf8(plain).map_err(|_| NotOpened)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_covered_key_comes_back_with_the_unlock_key_only() {
        let unlock = UnlockKey::fresh();
        let covered = cover("a key", Some(&unlock));
        assert!(is_covered(&covered) && !covered.contains("a key"));
        assert_eq!(uncover(&covered, &unlock).unwrap(), "a key");
        assert_eq!(uncover(&covered, &UnlockKey::fresh()), Err(NotOpened));
        assert_eq!(cover("a key", None), "a key");
        assert_eq!(uncover("a key", &unlock).unwrap(), "a key");
    }
}
