//! The control port's side of TLS 1.3 between nodes. The server asks for a client certificate and takes none for an
//! answer: whoever shows one must chain to the cluster's root. Who may call what without one is `access`' business.

use std::sync::Arc;

use model::NodeId;
use peer::{Accept, Own, PeerError, provider};
use rustls::{ClientConfig, ServerConfig, server::WebPkiClientVerifier, version::TLS13};

use crate::config::NodeCredentials;

/// The control port's side. Made anew when the node's certificate or the roots that it trusts change; connections that
/// are open stay.
pub(crate) fn server_config(credentials: &NodeCredentials) -> Result<Arc<ServerConfig>, PeerError> {
    let roots = Arc::new(peer::roots(&credentials.root_pem)?);
    let clients = WebPkiClientVerifier::builder_with_provider(roots, provider())
        .allow_unauthenticated()
        .build()
        .map_err(|_| PeerError::Certificate("the cluster's root cannot verify clients"))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(clients)
        .with_single_cert(
            peer::chain(&credentials.certificate_pem)?,
            peer::key(&credentials.key_pem)?,
        )?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A resumed session would skip the check of the certificate.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// The side of a manager that calls the manager with id `to`.
pub(crate) fn client_config(credentials: &NodeCredentials, to: NodeId) -> Result<Arc<ClientConfig>, PeerError> {
    let own = Own {
        certificate_pem: &credentials.certificate_pem,
        key_pem: &credentials.key_pem,
    };
    peer::client_config(&Accept::ThisManager(&credentials.root_pem, to), Some(own))
}
