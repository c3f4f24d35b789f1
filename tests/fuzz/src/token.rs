//! Join tokens.

use model::JoinToken;

/// Text that is a token is written back as it was read, and its debug form hides the secret.
pub fn token(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(token) = text.parse::<JoinToken>() else { return };
    assert_eq!(token.to_string(), text, "a token has one text");
    let shown = text.rsplit_once('-').map(|(digest, _)| format!("{digest}-.."));
    assert_eq!(Some(format!("{token:?}")), shown, "a token's secret is not shown");
}
