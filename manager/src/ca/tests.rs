//! What the authority signs, for how long, and what it does not sign.

use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use model::{ClusterId, NodeId, Role};

use super::*;
use crate::{config::InitParams, founding::found_cluster, mint};

const NOW: Timestamp = Timestamp(1_790_000_000_000_000_000);
const LIFE: std::time::Duration = std::time::Duration::from_secs(90 * 86_400);

fn subject(role: Role) -> Subject {
    Subject {
        node: NodeId::from_bits(5),
        role,
        cluster: ClusterId::from_bits(9),
    }
}

#[test]
fn certificates_name_node_role_and_cluster_for_90_days() {
    let root = Root::create(NOW).unwrap();
    let (_, csr) = fresh_request().unwrap();
    let pem = root.sign(&csr, subject(Role::Worker), NOW, LIFE).unwrap();
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    assert_eq!(Subject::of_der(&der).ok(), Some(subject(Role::Worker)));
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    let life = certificate.validity();
    assert_eq!(
        life.not_after.timestamp() - life.not_before.timestamp(),
        90 * 86_400 + 3_600
    );
    assert!(!certificate.is_ca());
}

#[test]
fn names_that_a_request_asks_for_are_ignored() {
    let root = Root::create(NOW).unwrap();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut wish = CertificateParams::new(vec!["manager.example".to_owned()]).unwrap();
    wish.distinguished_name.push(DnType::OrganizationalUnitName, "manager");
    let csr = wish.serialize_request(&key).unwrap().pem().unwrap();
    let pem = root.sign(&csr, subject(Role::Worker), NOW, LIFE).unwrap();
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    assert_eq!(Subject::of_der(&der).ok(), Some(subject(Role::Worker)));
    assert!(!String::from_utf8_lossy(&der).contains("manager.example"));
}

#[test]
fn a_request_not_signed_by_its_own_key_is_refused() {
    let root = Root::create(NOW).unwrap();
    let (_, csr) = fresh_request().unwrap();
    let der = rustls::pki_types::CertificateSigningRequestDer::from_pem_slice(csr.as_bytes()).unwrap();
    let mut bytes = der.to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let forged = CertificateSigningRequestParams::from_der(&bytes.into());
    assert!(forged.is_err());
    assert!(matches!(
        root.sign("no request", subject(Role::Worker), NOW, LIFE),
        Err(CaError::Request(_))
    ));
}

#[test]
fn a_key_of_another_kind_is_refused() {
    let root = Root::create(NOW).unwrap();
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let csr = CertificateParams::default().serialize_request(&key).unwrap();
    let refused = root.sign(&csr.pem().unwrap(), subject(Role::Worker), NOW, LIFE);
    assert!(matches!(refused, Err(CaError::Request(_))));
}

#[test]
fn a_cluster_begins_with_a_root_that_an_operator_brings_if_the_key_is_its_own() {
    let (given, other) = (Root::create(mint::now()).unwrap(), Root::create(mint::now()).unwrap());
    let with_key = |key_pem: &str| {
        let root = GivenRoot::of(given.certificate_pem.clone(), key_pem.to_owned()).unwrap();
        found_cluster(&InitParams {
            root,
            ..InitParams::new()
        })
    };
    let (cluster, credentials) = with_key(&given.key_pem).unwrap();
    assert_eq!(cluster.root_ca, given.certificate_pem);
    peer::verify(&credentials.certificate_pem, &given.certificate_pem).unwrap();
    let refused = with_key(&other.key_pem).map(drop).unwrap_err().to_string();
    assert!(refused.contains("the key given is not its key"), "{refused}");
    assert!(GivenRoot::of(String::new(), given.key_pem.clone()).is_err());
}

#[test]
fn of_a_given_certificate_nothing_is_kept_but_the_certificate() {
    let root = Root::create(NOW).unwrap();
    let with = |certificate_pem: String| {
        let key_pem = root.key_pem.clone();
        let given = Root {
            certificate_pem,
            key_pem,
        };
        given::check(given, NOW, LIFE)
    };
    let (certificate, key) = (&root.certificate_pem, &root.key_pem);
    for together in [format!("{certificate}{key}"), format!("{key}\n{certificate}")] {
        let refused = with(together).map(drop).unwrap_err().to_string();
        assert!(refused.contains("--ca-key"), "{refused}");
    }
    for bad in [
        certificate.repeat(2),
        format!("{certificate}-----BEGIN X509 CRL-----\nAA==\n-----END X509 CRL-----\n"),
    ] {
        let refused = with(bad).map(drop).unwrap_err().to_string();
        assert!(refused.contains("give the root alone"), "{refused}");
    }
    let kept = with(format!("words of openssl\n{certificate}a secret\n")).unwrap();
    assert_eq!((&kept.certificate_pem, &kept.key_pem), (certificate, key));
}

/// A root with this name and the key of `root`, PEM.
fn issued_anew(root: &Root, name: &str) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params
        .self_signed(&KeyPair::from_pem(&root.key_pem).unwrap())
        .unwrap()
        .pem()
}

#[test]
fn what_a_root_signed_that_was_issued_anew_with_its_key_is_signed_by_the_new_one() {
    let old = Root::create(mint::now()).unwrap();
    let (_, csr) = fresh_request().unwrap();
    let signed = old.sign(&csr, subject(Role::Worker), mint::now(), LIFE).unwrap();
    let digest = |pem: &str| peer::digests(pem).unwrap().remove(0);
    for (name, same) in [("swarm-ca", true), ("another", false)] {
        let new = issued_anew(&old, name);
        let issuer = peer::issuer(&signed, &format!("{}{new}", old.certificate_pem)).unwrap();
        let signer = if same { &new } else { &old.certificate_pem };
        assert_eq!(issuer, Some(digest(signer)), "{name}");
        assert_eq!(peer::verify(&signed, &new).is_ok(), same, "{name}");
    }
}
