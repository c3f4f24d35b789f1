//! Joining by a token, and connections to managers.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use manager::NodeCredentials;
use model::Role;
use peer::{Accept, Own};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use tonic::transport::Channel;
use wire::pb::{self, admission_client::AdmissionClient};

/// A connection to a manager, showing a node's certificate.
pub async fn channel(credentials: &NodeCredentials, addr: SocketAddr) -> Result<Channel> {
    let own = Own {
        certificate_pem: &credentials.certificate_pem,
        key_pem: &credentials.key_pem,
    };
    let config = peer::client_config(&Accept::Manager(&credentials.root_pem), Some(own))?;
    Ok(peer::connect(&addr.to_string(), config).await?)
}

/// A new node of the cluster of `known`, by the manager at `manager`. Workers take tasks, managers here do not.
pub async fn admitted(
    known: &NodeCredentials,
    manager: SocketAddr,
    token: &str,
    addr: &str,
    takes_tasks: bool,
) -> Result<NodeCredentials> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let request = CertificateParams::default().serialize_request(&key)?;
    let config = peer::client_config(&Accept::Manager(&known.root_pem), None)?;
    let channel = peer::connect(&manager.to_string(), config).await?;
    let availability = match takes_tasks {
        true => pb::Availability::Active,
        false => pb::Availability::Drain,
    };
    let issued = AdmissionClient::new(channel)
        .issue_certificate(pb::IssueCertificateRequest {
            token: token.to_owned(),
            csr_pem: request.pem()?,
            availability: availability.into(),
            addr: addr.to_owned(),
        })
        .await
        .context("joining")?
        .into_inner();
    Ok(NodeCredentials {
        node: issued.node.parse()?,
        cluster: known.cluster,
        role: match issued.role() {
            pb::Role::Manager => Role::Manager,
            _ => Role::Worker,
        },
        certificate_pem: issued.certificate_pem,
        key_pem: key.serialize_pem(),
        root_pem: known.root_pem.clone(),
    })
}
