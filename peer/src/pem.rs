//! PEM texts to what TLS takes.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::PeerError;

/// Characters per line of a PEM text.
const LINE: usize = 64;

/// All certificates of a PEM text.
pub fn chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, PeerError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(PeerError::Certificate("not a PEM certificate")),
    }
}

/// The certificate of a PEM text that has one and no more.
pub fn only(pem: &str) -> Result<CertificateDer<'static>, PeerError> {
    let mut chain = chain(pem)?;
    match chain.pop() {
        Some(only) if chain.is_empty() => Ok(only),
        _ => Err(PeerError::Certificate("several certificates where one is expected")),
    }
}

/// A certificate as PEM text, and nothing beside it.
pub fn to_pem(der: &CertificateDer<'_>) -> String {
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = BASE64_STANDARD.encode(der);
    while !rest.is_empty() {
        let after = rest.split_off(rest.len().min(LINE));
        text += &rest;
        text.push('\n');
        rest = after;
    }
    text + "-----END CERTIFICATE-----\n"
}

/// The private key of a PEM text.
pub fn key(pem: &str) -> Result<PrivateKeyDer<'static>, PeerError> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| PeerError::Certificate("its key is not in PEM form"))
}

/// The root certificates of a PEM text.
pub fn roots(pem: &str) -> Result<RootCertStore, PeerError> {
    let mut roots = RootCertStore::empty();
    for root in chain(pem)? {
        roots.add(root)?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        rcgen::CertificateParams::default().self_signed(&key).unwrap().pem()
    }

    #[test]
    fn one_certificate_alone_comes_back_as_the_text_that_it_was() {
        let pem = certificate();
        assert_eq!(to_pem(&only(&pem).unwrap()), pem);
        assert_eq!(to_pem(&only(&format!("words before\n{pem}and after\n")).unwrap()), pem);
        for bad in [String::new(), "words".to_owned(), pem.clone() + &certificate()] {
            assert!(only(&bad).is_err(), "{bad}");
        }
    }
}
