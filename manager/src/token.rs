//! Join tokens on the managers' side: minted here, compared here, in constant time.

use model::{Cluster, JoinToken, Role};
use ring::digest::{SHA256, digest};
use store::View;
use subtle::ConstantTimeEq as _;

use crate::mint;

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

/// The hash by which tokens with limits are kept, and all are compared: SHA-256 of the whole text, hex.
pub(crate) fn hash(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a token that somebody shows gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// What it makes of a node.
    pub(crate) role: Role,
    /// Its hash, if it has limits.
    pub(crate) limited: Option<String>,
}

/// What a token's text gives in this cluster, limits not looked at; `None` if it is not one of the cluster's. Compared
/// with every token, in a time that tells nothing of which was nearest.
pub(crate) fn shown(view: &View, text: &str) -> Option<Shown> {
    let (cluster, given) = (view.cluster()?, hash(text));
    let mut found = None;
    let mut compare = |known: &str, role, limited| {
        if bool::from(given.as_bytes().ct_eq(known.as_bytes())) {
            found = Some((role, limited));
        }
    };
    for role in [Role::Worker, Role::Manager] {
        let known = of_role(cluster, role);
        if !known.is_empty() {
            compare(&hash(known), role, false);
        }
    }
    for token in view.limited_tokens() {
        compare(&token.hash, token.role, true);
    }
    found.map(|(role, limited)| Shown {
        role,
        limited: limited.then_some(given),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_of_the_whole_text() {
        let token = fresh([7; 32]).to_string();
        assert_eq!(hash(&token), hash(&token));
        for other in ["", &token[1..], &fresh([7; 32]).to_string()] {
            assert_ne!(hash(other), hash(&token), "{other}");
        }
        assert_eq!(hash("abc").get(..8), Some("ba7816bf"), "FIPS 180-4's example");
    }

    #[test]
    fn before_there_is_a_cluster_nobody_is_admitted() {
        assert_eq!(shown(&View::default(), ""), None);
    }
}
