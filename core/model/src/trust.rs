//! Roots and who trusts them: what changes while the cluster's root certificate is replaced by another.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a node has of the cluster's authority. Roots are named by the SHA-256 of their DER bytes, in hex.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeTrust {
    /// The root whose key signed the node's certificate.
    pub issuer: String,
    /// The roots that the node trusts, in the order in which it was given them.
    pub roots: Vec<String>,
}

/// What becomes the cluster's with a new root.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootSecrets {
    /// Whole join token for workers that pins the new root.
    pub worker_token: String,
    /// Whole join token for managers that pins the new root.
    pub manager_token: String,
    /// Key of the new root certificate, PEM (PKCS#8).
    pub root_ca_key: String,
}

/// A new root on its way to the nodes. Certificates are signed with its key from the start; both roots are trusted
/// until every node has a certificate under the new one and trusts it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootRotation {
    /// The new root certificate, PEM.
    pub root_ca: String,
    /// Its digest as in [`NodeTrust`].
    pub digest: String,
    /// The new root's name and key signed by the old root, PEM: leads nodes that trust the old one only to the new one.
    pub cross_signed: String,
    /// Key of the new root, and the tokens that will pin it.
    pub next: RootSecrets,
}

impl RootRotation {
    /// Whether a node has a certificate under the new root and trusts it.
    pub fn has_reached(&self, node: Option<&NodeTrust>) -> bool {
        node.is_some_and(|trust| trust.issuer == self.digest && trust.roots.contains(&self.digest))
    }
}

impl fmt::Debug for RootRotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootRotation({})", self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_reached_when_it_trusts_the_new_root_and_is_certified_under_it() {
        let next = RootSecrets {
            worker_token: "secret".into(),
            manager_token: "secret".into(),
            root_ca_key: "secret".into(),
        };
        let rotation = RootRotation {
            root_ca: String::new(),
            digest: "new".into(),
            cross_signed: String::new(),
            next,
        };
        let trust = |issuer: &str, roots: &[&str]| NodeTrust {
            issuer: issuer.into(),
            roots: roots.iter().map(ToString::to_string).collect(),
        };
        assert!(rotation.has_reached(Some(&trust("new", &["old", "new"]))));
        assert!(!rotation.has_reached(Some(&trust("old", &["old", "new"]))));
        assert!(!rotation.has_reached(Some(&trust("new", &["old"]))));
        assert!(!rotation.has_reached(None), "nothing is known of it");
        assert!(!format!("{rotation:?}").contains("secret"));
    }
}
