//! Why a certificate or key cannot be used.

use thiserror::Error;

/// A certificate, key or root that is not usable.
#[derive(Debug, Error)]
pub enum PeerError {
    /// Not one of ours in form; says what is wrong with it.
    #[error("certificate is not usable: {0}")]
    Certificate(&'static str),
    /// Well formed, but TLS refuses it.
    #[error("TLS cannot use this certificate and key: {0}")]
    Tls(#[from] rustls::Error),
}
