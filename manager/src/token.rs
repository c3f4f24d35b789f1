//! Join tokens on the managers' side: minted here, compared here, in constant time.

use model::{Cluster, JoinToken, Role};
use ring::{
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};

use crate::{ca::CaError, mint};

/// A token with a fresh secret that pins the root certificate with this digest.
pub(crate) fn fresh(root_digest: [u8; 32]) -> JoinToken {
    JoinToken {
        digest: root_digest,
        secret: mint::bits().to_le_bytes(),
    }
}

/// The whole token that gives `role`.
pub(crate) fn of_role(cluster: &Cluster, role: Role) -> &str {
    match role {
        Role::Worker => &cluster.secrets.worker_token,
        Role::Manager => &cluster.secrets.manager_token,
    }
}

/// The role that a token's text gives in this cluster; `None` if it is not one of the cluster's.
pub(crate) fn role_of(cluster: &Cluster, text: &str) -> Result<Option<Role>, CaError> {
    let worker = equal(text, &cluster.secrets.worker_token)?;
    let manager = equal(text, &cluster.secrets.manager_token)?;
    Ok(match (worker, manager) {
        (_, true) => Some(Role::Manager),
        (true, false) => Some(Role::Worker),
        (false, false) => None,
    })
}

/// Compares in a time that tells nothing of the content: both texts are authenticated under a fresh key, and ring
/// compares authenticators in constant time.
fn equal(given: &str, known: &str) -> Result<bool, CaError> {
    let mut secret = [0; 32];
    SystemRandom::new().fill(&mut secret).map_err(|_| CaError::Randomness)?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let tag = hmac::sign(&key, known.as_bytes());
    Ok(!known.is_empty() && hmac::verify(&key, given.as_bytes(), tag.as_ref()).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_text_is_equal() {
        let token = fresh([7; 32]).to_string();
        assert!(equal(&token, &token).unwrap());
        for other in ["", &token[1..], &fresh([7; 32]).to_string()] {
            assert!(!equal(other, &token).unwrap(), "{other}");
        }
        assert!(!equal("", "").unwrap(), "a cluster without a token admits nobody");
    }
}
