//! A root certificate that an operator gives: checked before anything trusts it.

use std::time::Duration;

use model::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, PublicKeyData as _};
use rustls::pki_types::CertificateDer;
use x509_parser::{asn1_rs::Tag, certificate::X509Certificate, prelude::FromDer, x509::AttributeTypeAndValue};

use super::{CaError, Root, moment};

fn refused(words: impl Into<String>) -> CaError {
    CaError::Given(words.into())
}

/// Its key, PEM.
pub(super) fn key(pem: &str) -> Result<KeyPair, CaError> {
    KeyPair::from_pem(pem).map_err(|_| {
        refused(
            "its key must be ECDSA P-256 or P-384, Ed25519 or RSA in PKCS#8 PEM form (BEGIN PRIVATE KEY): \
             convert it with \"openssl pkcs8 -topk8 -nodes\"",
        )
    })
}

/// The certificate, if the text has nothing else: it is shown to everybody.
fn der(pem: &str) -> Result<CertificateDer<'static>, CaError> {
    let all = peer::chain(pem).map_err(|_| refused("it is no PEM certificate (BEGIN CERTIFICATE)"))?;
    let labels = pem.split("-----BEGIN ").skip(1);
    let mut labels = labels.map(|rest| rest.split_once("-----").map_or(rest, |(label, _)| label));
    if labels.any(|label| label.ends_with("PRIVATE KEY")) {
        return Err(refused(
            "the file has a private key too, and everybody is shown the certificate: give each in a file of its own, \
             --ca-cert with the certificate alone and --ca-key with the key",
        ));
    }
    match all.as_slice() {
        [one] if pem.matches("-----BEGIN ").count() == 1 => Ok(one.clone()),
        _ => Err(refused(
            "the file has several certificates, or something else: give the root alone",
        )),
    }
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CaError> {
    let parsed = X509Certificate::from_der(der);
    parsed
        .map(|(_, certificate)| certificate)
        .map_err(|_| refused("it is no X.509 certificate"))
}

/// Checks that it is a CA with this key, valid now and for as long as the certificates under it shall live. Of the text
/// only what was checked comes back: it is shown to everybody.
pub(crate) fn check(root: Root, now: Timestamp, node_life: Duration) -> Result<Root, CaError> {
    let der = der(&root.certificate_pem)?;
    let certificate = parse(&der)?;
    if !certificate.is_ca() {
        return Err(refused("it is not a CA (basic constraints CA:TRUE)"));
    }
    if let Ok(Some(usage)) = certificate.key_usage()
        && !usage.value.key_cert_sign()
    {
        return Err(refused("its key usage does not allow it to sign certificates"));
    }
    let key = key(&root.key_pem)?;
    if certificate.public_key().subject_public_key.data != key.der_bytes() {
        return Err(refused("the key given is not its key"));
    }
    check_life(&root.certificate_pem, now, node_life)?;
    Ok(Root {
        certificate_pem: peer::to_pem(&der),
        ..root
    })
}

fn check_life(pem: &str, now: Timestamp, node_life: Duration) -> Result<(), CaError> {
    let (begin, end) = super::life(pem)?;
    if begin > moment(now) {
        return Err(refused(format!("it is not valid before {begin}")));
    }
    if end < moment(now) {
        return Err(refused(format!("it has expired at {end}")));
    }
    if end < moment(now) + node_life {
        let days = node_life.as_secs() / 86_400;
        return Err(refused(format!(
            "it ends at {end}, before the {days} days of a node's certificate would: shorten these with \
             \"netctl swarm update --cert-expiry\""
        )));
    }
    Ok(())
}

/// Parameters with the name of a certificate, byte for byte.
pub(super) fn of_same_name(pem: &str) -> Result<CertificateParams, CaError> {
    let der = der(pem)?;
    let certificate = parse(&der)?;
    let mut name = DistinguishedName::new();
    for part in certificate.subject().iter_attributes() {
        let (kind, value) = attribute(part)?;
        name.push(kind, value);
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    Ok(params)
}

fn attribute(part: &AttributeTypeAndValue<'_>) -> Result<(DnType, DnValue), CaError> {
    let odd = || refused("its name has a part of a kind that is not supported: use printable or UTF-8 strings");
    let oid = part.attr_type().iter().ok_or_else(odd)?.collect::<Vec<_>>();
    let text = || part.as_str().map_err(|_| odd());
    let value = match part.attr_value().header.tag() {
        Tag::Utf8String => DnValue::Utf8String(text()?.to_owned()),
        Tag::PrintableString => DnValue::PrintableString(text()?.try_into().map_err(|_| odd())?),
        Tag::Ia5String => DnValue::Ia5String(text()?.try_into().map_err(|_| odd())?),
        _ => return Err(odd()),
    };
    Ok((DnType::CustomDnType(oid), value))
}
