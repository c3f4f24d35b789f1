//! Reads who a certificate is for, and how long. Whether it is valid, TLS has checked.

use model::{ClusterId, NodeId, Role};
use x509_parser::{
    certificate::X509Certificate,
    prelude::FromDer,
    x509::{AttributeTypeAndValue, X509Name},
};

use crate::{PeerError, pem::chain};

/// Who a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The node: CN.
    pub node: NodeId,
    /// Its role: OU.
    pub role: Role,
    /// Its cluster: O.
    pub cluster: ClusterId,
}

/// The life of a certificate, in seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First second.
    pub not_before: i64,
    /// Last second.
    pub not_after: i64,
}

impl Validity {
    /// Whether a moment, in seconds since the Unix epoch, is within it.
    pub fn holds(&self, at: i64) -> bool {
        (self.not_before..=self.not_after).contains(&at)
    }
}

impl Subject {
    /// Of a certificate in DER form. Each part must be there once.
    pub fn of_der(der: &[u8]) -> Result<Self, PeerError> {
        let certificate = parse(der)?;
        let name = certificate.subject();
        let role = only(name, X509Name::iter_organizational_unit).unwrap_or_default();
        let node = only(name, X509Name::iter_common_name).and_then(|text| text.parse().ok());
        let cluster = only(name, X509Name::iter_organization).and_then(|text| text.parse().ok());
        Ok(Self {
            node: node.ok_or(PeerError::Certificate("its CN is no node id"))?,
            role: [Role::Worker, Role::Manager]
                .into_iter()
                .find(|r| r.word() == role)
                .ok_or(PeerError::Certificate("its OU is no role"))?,
            cluster: cluster.ok_or(PeerError::Certificate("its O is no cluster id"))?,
        })
    }

    /// Of the first certificate in a PEM text.
    pub fn of_pem(pem: &str) -> Result<Self, PeerError> {
        Self::of_der(&first(pem)?)
    }

    /// The life of the first certificate in a PEM text.
    pub fn validity(pem: &str) -> Result<Validity, PeerError> {
        let der = first(pem)?;
        let certificate = parse(&der)?;
        let life = certificate.validity();
        Ok(Validity {
            not_before: life.not_before.timestamp(),
            not_after: life.not_after.timestamp(),
        })
    }
}

fn first(pem: &str) -> Result<Vec<u8>, PeerError> {
    Ok(chain(pem)?.first().map(|der| der.to_vec()).unwrap_or_default())
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, PeerError> {
    match X509Certificate::from_der(der) {
        Ok((_, certificate)) => Ok(certificate),
        Err(_) => Err(PeerError::Certificate("not an X.509 certificate")),
    }
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

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::*;

    fn certificate(parts: &[(DnType, &str)]) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, text) in parts {
            params.distinguished_name.push(kind.clone(), *text);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    }

    #[test]
    fn node_role_and_cluster_are_read_from_the_name() {
        let (node, cluster) = (NodeId::from_bits(1), ClusterId::from_bits(2));
        let name = |role| {
            certificate(&[
                (DnType::CommonName, &node.to_string()),
                (DnType::OrganizationalUnitName, role),
                (DnType::OrganizationName, &cluster.to_string()),
            ])
        };
        let role = Role::Worker;
        assert_eq!(
            Subject::of_pem(&name("worker")).unwrap(),
            Subject { node, role, cluster }
        );
        assert!(Subject::of_pem(&name("king")).is_err(), "no such role");
    }

    #[test]
    fn a_certificate_of_another_shape_is_nobodys() {
        assert!(Subject::of_pem(&certificate(&[(DnType::CommonName, "example.com")])).is_err());
        assert!(Subject::of_pem("").is_err());
        assert!(Subject::of_der(b"no certificate").is_err());
    }
}
