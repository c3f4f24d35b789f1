//! The cluster's certificate authority: one root (ECDSA P-256 and 20 years unless an operator gave another), whose key is
//! part of the cluster's state, and the nodes' certificates under it: CN = node id, OU = role, O = cluster id.
//!
//! Called at bootstrap, by the admission service and for renewals. Of a signing request only the key is taken, and only
//! if the request proves that its sender has it; the managers choose id and role.

mod authority;
mod given;
mod rotation;
mod shown;

use model::Timestamp;
use peer::Subject;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use ring::digest::{SHA256, digest};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use thiserror::Error;
use time::{Duration, OffsetDateTime};

use crate::config::GivenRoot;

pub(crate) use authority::Authority;
pub(crate) use given::check as check_given;
pub(crate) use rotation::{fresh_rotation, probe, progress};
pub(crate) use shown::{cluster_tls_info, tls_info};

/// Life of the root certificate.
const ROOT_LIFE: Duration = Duration::days(20 * 365);
/// Certificates begin this long before they are made, for nodes whose clocks are behind.
const BACKDATE: Duration = Duration::hours(1);

/// A certificate that cannot be made or read.
#[derive(Debug, Error)]
pub enum CaError {
    /// The signing request is no request, is not signed by its own key, or has a key of another kind.
    #[error("certificate signing request refused: {0}")]
    Request(String),
    /// The root's certificate or key cannot be used.
    #[error("the cluster's root certificate cannot be used: {0}")]
    Root(String),
    /// A root that an operator gave cannot be the cluster's.
    #[error("the given CA certificate cannot be the cluster's root: {0}")]
    Given(String),
    /// Only one of the two was given.
    #[error("a CA certificate needs its key: use --ca-cert FILE with --ca-key FILE")]
    Half,
    /// The operating system has none.
    #[error("no randomness from the operating system")]
    Randomness,
    /// Anything else of the certificate library.
    #[error("certificate: {0}")]
    Library(#[from] rcgen::Error),
}

/// A root certificate with its key.
#[derive(Clone)]
pub(crate) struct Root {
    /// Certificate, PEM.
    pub(crate) certificate_pem: String,
    /// Key, PEM (PKCS#8). Secret.
    pub(crate) key_pem: String,
}

impl From<GivenRoot> for Root {
    fn from(given: GivenRoot) -> Self {
        Self {
            certificate_pem: given.certificate_pem,
            key_pem: given.key_pem,
        }
    }
}

fn moment(at: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at.0.div_euclid(1_000_000_000)).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

impl Root {
    /// A new root.
    pub(crate) fn create(now: Timestamp) -> Result<Self, CaError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "swarm-ca");
        // One step below it: its successor, signed by it on the day of its rotation.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = moment(now) - BACKDATE;
        params.not_after = moment(now) + ROOT_LIFE;
        Ok(Self {
            certificate_pem: params.self_signed(&key)?.pem(),
            key_pem: key.serialize_pem(),
        })
    }

    /// SHA-256 of the certificate's DER bytes, as join tokens carry it.
    pub(crate) fn digest(&self) -> Result<[u8; 32], CaError> {
        digest_of(&self.certificate_pem)
    }

    /// A certificate, PEM, for the key of a signing request. It ends after `life`, or with the root if that is sooner.
    pub(crate) fn sign(
        &self,
        csr_pem: &str,
        subject: Subject,
        now: Timestamp,
        life: std::time::Duration,
    ) -> Result<String, CaError> {
        let request =
            CertificateSigningRequestParams::from_pem(csr_pem).map_err(|why| CaError::Request(why.to_string()))?;
        if request.public_key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
            return Err(CaError::Request("the key must be ECDSA P-256".to_owned()));
        }
        let mut params = node_params(subject, now)?;
        params.not_after = self::life(&self.certificate_pem)?.1.min(moment(now) + life);
        Ok(params.signed_by(&request.public_key, &self.issuer()?)?.pem())
    }

    fn issuer(&self) -> Result<Issuer<'static, KeyPair>, CaError> {
        let root = |why: rcgen::Error| CaError::Root(why.to_string());
        let key = KeyPair::from_pem(&self.key_pem).map_err(root)?;
        Issuer::from_ca_cert_pem(&self.certificate_pem, key).map_err(root)
    }

    /// The certificate of `successor`, PEM: its name and key, signed by this root, for as long as this root lives.
    fn cross_sign(&self, successor: &Self) -> Result<String, CaError> {
        let mut params = given::of_same_name(&successor.certificate_pem)?;
        let (own, new) = (life(&self.certificate_pem)?, life(&successor.certificate_pem)?);
        params.not_before = own.0.max(new.0);
        params.not_after = own.1.min(new.1);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = given::key(&successor.key_pem)?;
        Ok(params.signed_by(&key, &self.issuer()?)?.pem())
    }
}

/// First and last moment of a certificate, PEM.
fn life(pem: &str) -> Result<(OffsetDateTime, OffsetDateTime), CaError> {
    let life = Subject::validity(pem).map_err(|why| CaError::Root(why.to_string()))?;
    let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    Ok((at(life.not_before), at(life.not_after)))
}

fn node_params(subject: Subject, now: Timestamp) -> Result<CertificateParams, CaError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let name = &mut params.distinguished_name;
    name.push(DnType::CommonName, subject.node.to_string());
    name.push(DnType::OrganizationalUnitName, subject.role.word());
    name.push(DnType::OrganizationName, subject.cluster.to_string());
    params.subject_alt_names = vec![SanType::DnsName(subject.node.to_string().try_into()?)];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = moment(now) - BACKDATE;
    Ok(params)
}

/// SHA-256 of a PEM certificate's DER bytes.
pub(crate) fn digest_of(certificate_pem: &str) -> Result<[u8; 32], CaError> {
    let der =
        CertificateDer::from_pem_slice(certificate_pem.as_bytes()).map_err(|why| CaError::Root(why.to_string()))?;
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, &der).as_ref());
    Ok(bytes)
}

/// A fresh key, PEM, with a signing request for it, PEM, that names nobody.
pub(crate) fn fresh_request() -> Result<(String, String), CaError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    Ok((key.serialize_pem(), params.serialize_request(&key)?.pem()?))
}

#[cfg(test)]
mod tests;
