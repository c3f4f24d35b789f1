//! Whom a caller accepts as the server.

use std::sync::Arc;

use model::{NodeId, Role};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

use crate::{PeerError, Subject, pem::roots, provider};

/// Whom a caller accepts as the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept<'a> {
    /// Whoever holds the key of the certificate that they show. Only for fetching the root certificate, which is then
    /// checked against the digest in a token; nothing secret may be sent over such a link.
    Anybody,
    /// Any manager under this root (PEM).
    Manager(&'a str),
    /// This manager under this root (PEM).
    ThisManager(&'a str, NodeId),
}

pub(crate) fn verifier(accept: &Accept<'_>) -> Result<Arc<dyn ServerCertVerifier>, PeerError> {
    let trust = match accept {
        Accept::Anybody => None,
        Accept::Manager(root) => Some((roots(root)?, None)),
        Accept::ThisManager(root, node) => Some((roots(root)?, Some(*node))),
    };
    let provider = provider();
    Ok(Arc::new(Verifier { trust, provider }))
}

#[derive(Debug)]
struct Verifier {
    /// Roots, and the one manager if only one will do; `None`: anybody.
    trust: Option<(RootCertStore, Option<NodeId>)>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some((roots, wanted)) = &self.trust else {
            return Ok(ServerCertVerified::assertion());
        };
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, algorithms)?;
        let is_wanted = |s: &Subject| s.role == Role::Manager && wanted.is_none_or(|node| node == s.node);
        match Subject::of_der(certificate) {
            Ok(subject) if is_wanted(&subject) => Ok(ServerCertVerified::assertion()),
            _ => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
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
