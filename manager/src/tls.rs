//! The control port's side of TLS 1.3 between nodes. The server asks for a client certificate and takes none for an
//! answer: whoever shows one must chain to the cluster's root. Who may call what without one is `access`' business.

use std::sync::{Arc, PoisonError, RwLock};

use model::NodeId;
use peer::{Accept, Own, PeerError, provider};
use rustls::{
    ClientConfig, ServerConfig,
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
    version::TLS13,
};

use crate::config::NodeCredentials;

/// The certificate that the server shows; replaced when the node's is renewed.
#[derive(Debug)]
pub(crate) struct ServerIdentity {
    current: RwLock<Arc<CertifiedKey>>,
}

impl ServerIdentity {
    pub(crate) fn new(credentials: &NodeCredentials) -> Result<Self, PeerError> {
        Ok(Self {
            current: RwLock::new(Arc::new(certified(credentials)?)),
        })
    }

    /// New connections get the new certificate.
    pub(crate) fn replace(&self, credentials: &NodeCredentials) -> Result<(), PeerError> {
        let fresh = Arc::new(certified(credentials)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}

fn certified(credentials: &NodeCredentials) -> Result<CertifiedKey, PeerError> {
    let chain = peer::chain(&credentials.certificate_pem)?;
    Ok(CertifiedKey::from_der(
        chain,
        peer::key(&credentials.key_pem)?,
        &provider(),
    )?)
}

impl ResolvesServerCert for ServerIdentity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// The control port's side.
pub(crate) fn server_config(root_pem: &str, identity: Arc<ServerIdentity>) -> Result<Arc<ServerConfig>, PeerError> {
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(peer::roots(root_pem)?), provider())
        .allow_unauthenticated()
        .build()
        .map_err(|_| PeerError::Certificate("the cluster's root cannot verify clients"))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(identity);
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
