//! Who is at the other end: TLS 1.3 between nodes, peers known by what their certificate says (CN = node id, OU = role,
//! O = cluster id) under the cluster's root, never by address or host name.
//!
//! One place, because agent and manager must not differ in it. The agent dials any manager, a manager dials one that it
//! knows by id; the manager's server side takes certificates, keys and roots from here as well.

mod clock;
mod dial;
mod error;
mod hints;
mod pem;
mod root;
mod subject;
mod verify;

use std::sync::Arc;

use rustls::{ClientConfig, crypto::CryptoProvider, version::TLS13};

pub use clock::{refused, words as span_in_words};
pub use dial::{ConnectError, connect};
pub use error::PeerError;
pub use hints::Hints;
pub use pem::{chain, key, only, roots, to_pem};
pub use root::{digests, issuer, verify};
pub use subject::{Subject, Validity};
pub use verify::Accept;

/// The cryptography of all links: ring.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A node's own certificate and key.
#[derive(Clone, Copy)]
pub struct Own<'a> {
    /// Certificate, PEM.
    pub certificate_pem: &'a str,
    /// Its key, PEM (PKCS#8). Secret.
    pub key_pem: &'a str,
}

/// TLS configuration of a caller that accepts `accept` at the other end and shows `own`, if it has one.
pub fn client_config(accept: &Accept<'_>, own: Option<Own<'_>>) -> Result<Arc<ClientConfig>, PeerError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verify::verifier(accept)?);
    let mut config = match own {
        Some(own) => builder.with_client_auth_cert(chain(own.certificate_pem)?, key(own.key_pem)?)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}
