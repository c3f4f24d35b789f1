//! TLS 1.3 between nodes. The server asks for a client certificate and takes none for an answer: whoever shows one must
//! chain to the cluster's root. Who may call what without one is `access`' business. Peers are known by the node id and
//! the role in their certificate, never by address or host name.

use std::sync::{Arc, PoisonError, RwLock};

use model::{ClusterId, NodeId, Role};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, ring, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::{ClientHello, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
    version::TLS13,
};
use thiserror::Error as ThisError;
use x509_parser::{
    certificate::X509Certificate,
    prelude::FromDer,
    x509::{AttributeTypeAndValue, X509Name},
};

use crate::{ca::Subject, config::NodeCredentials};

/// Certificates or keys that TLS cannot use.
#[derive(Debug, ThisError)]
#[error("the node's certificate cannot be used for TLS: {0}")]
pub struct TlsError(String);

fn unusable(why: impl std::fmt::Display) -> TlsError {
    TlsError(why.to_string())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Reads a node's certificate; `None` if it is not one of ours in form. Whether it is valid, TLS has checked.
pub(crate) fn subject_of(der: &[u8]) -> Option<Subject> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let name = certificate.subject();
    let role = only(name, X509Name::iter_organizational_unit)?;
    Some(Subject {
        node: only(name, X509Name::iter_common_name)?.parse().ok()?,
        role: [Role::Worker, Role::Manager].into_iter().find(|r| r.word() == role)?,
        cluster: only(name, X509Name::iter_organization)?.parse().ok()?,
    })
}

/// A part of a name that must be there once.
fn only<'a, I>(name: &'a X509Name<'a>, parts: impl Fn(&'a X509Name<'a>) -> I) -> Option<&'a str>
where
    I: Iterator<Item = &'a AttributeTypeAndValue<'a>>,
{
    let mut parts = parts(name);
    let first = parts.next()?.as_str().ok()?;
    parts.next().is_none().then_some(first)
}

fn chain_of(pem: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    chain.map_err(unusable)
}

fn roots_of(pem: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for root in chain_of(pem)? {
        roots.add(root).map_err(unusable)?;
    }
    Ok(roots)
}

fn key_of(pem: &str) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(unusable)
}

/// The certificate that the server shows; replaced when the node's is renewed.
#[derive(Debug)]
pub(crate) struct ServerIdentity {
    current: RwLock<Arc<CertifiedKey>>,
}

impl ServerIdentity {
    pub(crate) fn new(credentials: &NodeCredentials) -> Result<Self, TlsError> {
        Ok(Self {
            current: RwLock::new(Arc::new(certified(credentials)?)),
        })
    }

    /// New connections get the new certificate.
    pub(crate) fn replace(&self, credentials: &NodeCredentials) -> Result<(), TlsError> {
        let fresh = Arc::new(certified(credentials)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}

fn certified(credentials: &NodeCredentials) -> Result<CertifiedKey, TlsError> {
    let chain = chain_of(&credentials.certificate_pem)?;
    CertifiedKey::from_der(chain, key_of(&credentials.key_pem)?, &provider()).map_err(unusable)
}

impl ResolvesServerCert for ServerIdentity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// The control port's side.
pub(crate) fn server_config(root_pem: &str, identity: Arc<ServerIdentity>) -> Result<Arc<ServerConfig>, TlsError> {
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots_of(root_pem)?), provider())
        .allow_unauthenticated()
        .build()
        .map_err(unusable)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(identity);
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A resumed session would skip the check of the certificate.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// The side of a manager that calls the manager with id `peer`.
pub(crate) fn client_config(credentials: &NodeCredentials, peer: NodeId) -> Result<Arc<ClientConfig>, TlsError> {
    let own = chain_of(&credentials.certificate_pem)?;
    let subject = own
        .first()
        .and_then(|der| subject_of(der))
        .ok_or_else(|| unusable("no node's"))?;
    let verifier = ManagerVerifier {
        roots: roots_of(&credentials.root_pem)?,
        provider: provider(),
        peer,
        cluster: subject.cluster,
    };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(own, key_of(&credentials.key_pem)?)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// Accepts one manager of the cluster, whatever its address.
#[derive(Debug)]
struct ManagerVerifier {
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
    peer: NodeId,
    cluster: ClusterId,
}

impl ServerCertVerifier for ManagerVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)?;
        let wanted = Subject {
            node: self.peer,
            role: Role::Manager,
            cluster: self.cluster,
        };
        if subject_of(certificate) == Some(wanted) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure,
            ))
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken between nodes".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
