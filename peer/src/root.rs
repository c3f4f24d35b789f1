//! Roots and what they signed.

use ring::digest::{SHA256, digest};
use rustls::{
    client::verify_server_cert_signed_by_trust_anchor,
    pki_types::{CertificateDer, UnixTime},
    server::ParsedCertificate,
};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use crate::{
    PeerError,
    pem::{chain, roots},
    provider,
};

/// SHA-256 of the DER bytes of each certificate of a PEM text, in hex.
pub fn digests(pem: &str) -> Result<Vec<String>, PeerError> {
    Ok(chain(pem)?.iter().map(hex).collect())
}

fn hex(der: &CertificateDer<'_>) -> String {
    let bytes = digest(&SHA256, der);
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest of the last root whose key, under its name, signed the first certificate of a PEM text; `None` if none of
/// `roots_pem` did. Roots are listed with the newest last, and one that was issued anew may have name and key of the one
/// before.
pub fn issuer(certificate_pem: &str, roots_pem: &str) -> Result<Option<String>, PeerError> {
    let unreadable = |_| PeerError::Certificate("not an X.509 certificate");
    let certificate = chain(certificate_pem)?;
    let first = certificate.first().map(AsRef::as_ref).unwrap_or_default();
    let (_, certificate) = X509Certificate::from_der(first).map_err(unreadable)?;
    for der in chain(roots_pem)?.iter().rev() {
        let (_, root) = X509Certificate::from_der(der).map_err(unreadable)?;
        let named = certificate.issuer().as_raw() == root.subject().as_raw();
        if named && certificate.verify_signature(Some(root.public_key())).is_ok() {
            return Ok(Some(hex(der)));
        }
    }
    Ok(None)
}

/// Checks that a chain, PEM, the node's certificate first, leads to one of the roots, PEM, and is valid now.
pub fn verify(chain_pem: &str, roots_pem: &str) -> Result<(), PeerError> {
    let all = chain(chain_pem)?;
    let (first, intermediates) = all.split_first().ok_or(PeerError::Certificate("none"))?;
    let parsed = ParsedCertificate::try_from(first)?;
    let algorithms = provider().signature_verification_algorithms.all;
    let roots = roots(roots_pem)?;
    verify_server_cert_signed_by_trust_anchor(&parsed, &roots, intermediates, UnixTime::now(), algorithms)?;
    Ok(())
}
