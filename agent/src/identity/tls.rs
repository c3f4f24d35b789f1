//! Client side of mTLS between nodes: TLS 1.3 with ring, the server known by the cluster's root and its role, never by
//! its name or address.

use std::sync::Arc;

use model::Role;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, ring, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
    version::TLS13,
};

use super::{Identity, IdentityError, Subject};

/// TLS configuration of a node that calls a manager and shows its own certificate.
pub fn client_config(identity: &Identity) -> Result<Arc<ClientConfig>, IdentityError> {
    let verifier = ManagerVerifier::new(&identity.ca_pem)?;
    let chain = CertificateDer::pem_slice_iter(identity.certificate_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| IdentityError::Certificate("not a PEM certificate".to_owned()))?;
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes())
        .map_err(|_| IdentityError::Certificate("its key is not in PEM form".to_owned()))?;
    let config = builder(Arc::new(verifier))?.with_client_auth_cert(chain, key)?;
    Ok(finish(config))
}

/// TLS configuration of a node without a certificate: the server must be a manager under this root.
pub(super) fn pinned_config(ca_pem: &str) -> Result<Arc<ClientConfig>, IdentityError> {
    let verifier = ManagerVerifier::new(ca_pem)?;
    Ok(finish(builder(Arc::new(verifier))?.with_no_client_auth()))
}

/// TLS configuration that trusts anybody; only for fetching the root certificate that the caller then checks against
/// the digest in its token. Nothing secret may be sent over it.
pub(super) fn unverified_config() -> Result<Arc<ClientConfig>, IdentityError> {
    Ok(finish(builder(Arc::new(AnyServer(provider())))?.with_no_client_auth()))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

fn builder(verifier: Arc<dyn ServerCertVerifier>) -> Result<Builder, Error> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier))
}

fn finish(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// Accepts managers under the cluster's root.
#[derive(Debug)]
struct ManagerVerifier {
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
}

impl ManagerVerifier {
    fn new(ca_pem: &str) -> Result<Self, IdentityError> {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
            roots.add(root.map_err(|_| IdentityError::Certificate("root is not in PEM form".to_owned()))?)?;
        }
        Ok(Self {
            roots,
            provider: provider(),
        })
    }
}

impl ServerCertVerifier for ManagerVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)?;
        let refused = Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
        let subject = Subject::of_der(certificate).map_err(|_| refused.clone())?;
        if subject.role == Role::Manager {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(refused)
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

/// Accepts every certificate whose key the server holds.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
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
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
