//! PEM texts to what TLS takes.

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::PeerError;

/// All certificates of a PEM text.
pub fn chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, PeerError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(PeerError::Certificate("not a PEM certificate")),
    }
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
