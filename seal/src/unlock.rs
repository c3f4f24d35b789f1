//! The cluster's unlock key, as operators keep it: `SWMKEY-1-` and 32 bytes in base64, as Swarm writes it.

use std::{fmt, str::FromStr};

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use thiserror::Error;

use crate::Key;

const PREFIX: &str = "SWMKEY-1-";

/// A text that is no unlock key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("invalid unlock key: use the whole text {PREFIX}... as printed by \"netctl swarm unlock-key\"")]
pub struct InvalidUnlockKey;

/// What opens the data keys of all managers of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnlockKey(Key);

impl UnlockKey {
    /// A fresh one.
    pub fn fresh() -> Self {
        Self(Key::fresh())
    }

    /// The key itself.
    pub fn key(&self) -> &Key {
        &self.0
    }
}

/// The text for operators. Secret.
impl fmt::Display for UnlockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", BASE64_STANDARD_NO_PAD.encode(self.0.0.as_ref()))
    }
}

impl FromStr for UnlockKey {
    type Err = InvalidUnlockKey;

    fn from_str(text: &str) -> Result<Self, InvalidUnlockKey> {
        let digits = text.trim().strip_prefix(PREFIX).ok_or(InvalidUnlockKey)?;
        let bytes = BASE64_STANDARD_NO_PAD.decode(digits).map_err(|_| InvalidUnlockKey)?;
        Key::of(&bytes).map(Self).ok_or(InvalidUnlockKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_swarms_and_reads_back() {
        let key = UnlockKey::fresh();
        let text = key.to_string();
        assert_eq!((&text[..9], text.len()), (PREFIX, 9 + 43));
        assert_eq!(format!("{text}\n").parse(), Ok(key.clone()));
        for wrong in [
            "",
            "SWMKEY-1-",
            "SWMKEY-1-AAAA",
            &text[..50],
            &text.replace("-1-", "-2-"),
        ] {
            assert_eq!(wrong.parse::<UnlockKey>(), Err(InvalidUnlockKey), "{wrong}");
        }
        assert!(!format!("{key:?}").contains(&text[9..]), "never printed by accident");
    }
}
