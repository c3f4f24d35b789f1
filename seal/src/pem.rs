//! The node's private key on a manager's disk while autolock is on: sealed under a data key, as the log is, in a form that
//! no program takes for a usable key.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{KeyId, Keys, NotOpened};

const BEGIN: &str = "-----BEGIN NETCTL SEALED KEY-----\n";
const END: &str = "\n-----END NETCTL SEALED KEY-----\n";

fn place(id: KeyId) -> Vec<u8> {
    format!("netctl node key under {id}").into_bytes()
}

/// `key_pem` under the data key that seals now.
pub fn cover(key_pem: &str, keys: &Keys) -> Result<String, NotOpened> {
    let id = keys.current();
    let sealed = keys.get(id).ok_or(NotOpened)?.seal(&place(id), key_pem.as_bytes());
    Ok(format!("{BEGIN}{id}\n{}{END}", BASE64_STANDARD.encode(sealed)))
}

fn parts(text: &str) -> Option<(KeyId, &str)> {
    let (id, sealed) = text.strip_prefix(BEGIN)?.strip_suffix(END)?.split_once('\n')?;
    Some((KeyId(id.parse().ok()?), sealed))
}

/// Whether a text needs a data key.
pub fn is_covered(text: &str) -> bool {
    text.starts_with(BEGIN)
}

/// The inverse of [`cover`]; what is not covered stays as it is.
pub fn uncover(text: &str, keys: &Keys) -> Result<String, NotOpened> {
    if !is_covered(text) {
        return Ok(text.to_owned());
    }
    let (id, sealed) = parts(text).ok_or(NotOpened)?;
    let sealed = BASE64_STANDARD.decode(sealed).map_err(|_| NotOpened)?;
    let plain = keys.get(id).ok_or(NotOpened)?.open(&place(id), &sealed)?;
    String::from_utf8(plain).map_err(|_| NotOpened)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_covered_key_comes_back_under_the_data_keys_only() {
        let keys = Keys::fresh();
        let covered = cover("a key", &keys).unwrap();
        assert!(is_covered(&covered) && !covered.contains("a key"));
        assert_eq!(uncover(&covered, &keys.rotated()).unwrap(), "a key");
        assert_eq!(uncover(&covered, &Keys::fresh()), Err(NotOpened));
        assert_eq!(uncover(&covered, &keys.rotated().from(KeyId(2))), Err(NotOpened));
        assert_eq!(uncover("a key", &keys).unwrap(), "a key");
        for at in BEGIN.len()..covered.len() {
            assert_eq!(uncover(&covered[..at], &keys), Err(NotOpened), "cut at {at}");
        }
    }
}
