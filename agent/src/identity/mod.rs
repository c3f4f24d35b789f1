//! Who this node is: its certificate, its key and the cluster's root certificate, in memory and on disk.
//!
//! `<data-root>/identity/{format,ca.crt,node.key,node.crt}`; the key is readable by root only, the certificate is written
//! last, so that a cut leaves no identity rather than half of one. Role and ids are read from the certificate
//! (CN = node id, OU = role, O = cluster id) and kept nowhere else.

mod connect;
mod join;
mod subject;
mod tls;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use model::{ClusterId, NodeId, Role};
use thiserror::Error;

pub use connect::{ConnectError, connect};
pub use join::{JoinError, JoinRequest, SigningRequest, join, renew};
pub use subject::Subject;
pub use tls::client_config;

/// Version of the folder's layout.
const FORMAT: &str = "1\n";

/// A node's identity.
#[derive(Clone)]
pub struct Identity {
    /// The node.
    pub node: NodeId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// Its role, as certified.
    pub role: Role,
    /// Certificate, PEM.
    pub certificate_pem: String,
    /// Its key, PEM (PKCS#8). Never printed.
    pub key_pem: String,
    /// Root certificate, PEM.
    pub ca_pem: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} {} of {})", self.role.word(), self.node, self.cluster)
    }
}

/// An identity that cannot be used.
#[derive(Debug, Error)]
#[allow(
    missing_docs,
    reason = "the message of each variant says what it and its fields mean"
)]
pub enum IdentityError {
    #[error("cannot access {path}: {error}")]
    File { path: PathBuf, error: io::Error },
    #[error("{path} has format {found:?}, this version reads format {FORMAT:?}: upgrade netd")]
    Format { path: PathBuf, found: String },
    #[error("certificate is not usable: {0}")]
    Certificate(String),
    #[error("TLS cannot use this certificate and key: {0}")]
    Tls(#[from] rustls::Error),
}

impl Identity {
    /// Takes PEM texts and reads ids and role from the certificate.
    pub fn from_pem(certificate_pem: String, key_pem: String, ca_pem: String) -> Result<Self, IdentityError> {
        let subject = Subject::of_pem(&certificate_pem)?;
        let identity = Self {
            node: subject.node,
            cluster: subject.cluster,
            role: subject.role,
            certificate_pem,
            key_pem,
            ca_pem,
        };
        // Fails now if key and certificate do not belong together.
        client_config(&identity)?;
        Ok(identity)
    }

    /// Reads the identity kept under `data_root`; `None` if this node is in no cluster.
    pub fn load(data_root: &Path) -> Result<Option<Self>, IdentityError> {
        let folder = folder(data_root);
        let Some(certificate) = read(&folder.join("node.crt"))? else {
            return Ok(None);
        };
        let format = folder.join("format");
        let found = read(&format)?.unwrap_or_default();
        if found != FORMAT {
            return Err(IdentityError::Format { path: format, found });
        }
        let part = |name: &str| {
            let path = folder.join(name);
            read(&path)?.ok_or_else(|| IdentityError::File {
                path,
                error: io::ErrorKind::NotFound.into(),
            })
        };
        Self::from_pem(certificate, part("node.key")?, part("ca.crt")?).map(Some)
    }

    /// Keeps the identity under `data_root`.
    pub fn save(&self, data_root: &Path) -> Result<(), IdentityError> {
        let folder = folder(data_root);
        for (name, mode, content) in [
            ("format", 0o644, FORMAT),
            ("ca.crt", 0o644, &self.ca_pem),
            ("node.key", 0o600, &self.key_pem),
            ("node.crt", 0o644, &self.certificate_pem),
        ] {
            let path = folder.join(name);
            crate::durable::replace(&path, mode, content.as_bytes())
                .map_err(|error| IdentityError::File { path, error })?;
        }
        Ok(())
    }

    /// Forgets the identity kept under `data_root`; none is no error.
    pub fn remove(data_root: &Path) -> Result<(), IdentityError> {
        let path = folder(data_root);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(IdentityError::File { path, error }),
            _ => Ok(()),
        }
    }
}

fn folder(data_root: &Path) -> PathBuf {
    data_root.join("identity")
}

fn read(path: &Path) -> Result<Option<String>, IdentityError> {
    let file = |error| IdentityError::File {
        path: path.to_owned(),
        error,
    };
    let Some(content) = crate::durable::read(path).map_err(file)? else {
        return Ok(None);
    };
    String::from_utf8(content)
        .map(Some)
        .map_err(|_| file(io::Error::other("not text")))
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
