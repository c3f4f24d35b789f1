//! Reads who a certificate is for: CN = node id, OU = role, O = cluster id.

use model::{ClusterId, NodeId, Role};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_parser::{
    certificate::X509Certificate,
    prelude::FromDer,
    x509::{AttributeTypeAndValue, X509Name},
};

use super::IdentityError;

/// Who a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The node.
    pub node: NodeId,
    /// Its role.
    pub role: Role,
    /// Its cluster.
    pub cluster: ClusterId,
}

/// From when to when a certificate holds; seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First second.
    pub not_before: i64,
    /// Last second.
    pub not_after: i64,
}

impl Subject {
    /// The life of the first certificate in a PEM text.
    pub fn validity(pem: &str) -> Result<Validity, IdentityError> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| unusable("not a PEM certificate"))?;
        let (_, certificate) = X509Certificate::from_der(&der).map_err(|_| unusable("not an X.509 certificate"))?;
        let life = certificate.validity();
        Ok(Validity {
            not_before: life.not_before.timestamp(),
            not_after: life.not_after.timestamp(),
        })
    }

    /// Of the first certificate in a PEM text.
    pub fn of_pem(pem: &str) -> Result<Self, IdentityError> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| unusable("not a PEM certificate"))?;
        Self::of_der(&der)
    }

    /// Of a certificate in DER form.
    pub fn of_der(der: &[u8]) -> Result<Self, IdentityError> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| unusable("not an X.509 certificate"))?;
        let name = certificate.subject();
        let node = text(name, |n| first(n.iter_common_name()));
        let role = text(name, |n| first(n.iter_organizational_unit()));
        let cluster = text(name, |n| first(n.iter_organization()));
        Ok(Self {
            node: node.parse().map_err(|_| unusable("its CN is no node id"))?,
            role: [Role::Worker, Role::Manager]
                .into_iter()
                .find(|r| r.word() == role)
                .ok_or_else(|| unusable("its OU is no role"))?,
            cluster: cluster.parse().map_err(|_| unusable("its O is no cluster id"))?,
        })
    }
}

fn text<'a>(name: &'a X509Name<'a>, part: impl Fn(&'a X509Name<'a>) -> Option<&'a str>) -> &'a str {
    part(name).unwrap_or_default()
}

fn first<'a>(mut parts: impl Iterator<Item = &'a AttributeTypeAndValue<'a>>) -> Option<&'a str> {
    parts.next().and_then(|part| part.as_str().ok())
}

fn unusable(why: &str) -> IdentityError {
    IdentityError::Certificate(why.to_owned())
}
