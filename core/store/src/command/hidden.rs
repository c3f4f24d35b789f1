//! Texts of commands that nothing shows.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A token or key in a command; encoded as the text that it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(pub String);

impl From<String> for Hidden {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use model::RequestId;

    use crate::{Command, Entry};

    #[test]
    fn tokens_and_keys_are_in_the_log_and_not_in_what_commands_show() {
        let secret = || "SECRET".to_owned().into();
        let tokens = Command::UpdateTokens {
            version: 1,
            worker: secret(),
            manager: secret(),
        };
        for command in [tokens, Command::SetUnlockKey { unlock_key: secret() }] {
            let request = RequestId::from_bits(1);
            let entry = Entry { request, command };
            let bytes = entry.encode().unwrap();
            // As a text alone: what was written before reads the same.
            assert!(bytes.windows(7).any(|part| part == b"\x66SECRET"));
            assert_eq!(Entry::decode(&bytes).unwrap(), entry);
            assert!(!format!("{entry:?}").contains("SECRET"), "{entry:?}");
        }
    }
}
