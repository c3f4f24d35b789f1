//! How a machine becomes a node: root certificate, digest, token, certificate, in this order.
//!
//! The token is sent only after the digest in it has matched the root certificate, over a connection to a manager under
//! that root. The key is made here and never leaves the node.

use model::{Availability, Invalid, JoinToken};
use peer::{Accept, ConnectError, PeerError, connect};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use ring::digest::{SHA256, digest};
use thiserror::Error;
use tonic::{Code, Status, transport::Channel};
use wire::pb::{self, admission_client::AdmissionClient, dispatcher_client::DispatcherClient};

use super::{Identity, IdentityError};

/// What a join needs.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    /// `HOST:PORT` of a manager.
    pub remote: String,
    /// Token as printed by `swarm init`.
    pub token: JoinToken,
    /// Whether the node takes tasks from the start.
    pub availability: Availability,
    /// Address that this node gives to others.
    pub addr: String,
}

/// Why a machine did not become a node, in docker's words where docker has some.
#[derive(Debug, Error)]
#[allow(
    missing_docs,
    reason = "the message of each variant says what it and its fields mean"
)]
pub enum JoinError {
    #[error(transparent)]
    Token(#[from] Invalid),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("remote CA does not match fingerprint. Expected: {expected}, got: {found}: is the token of this cluster?")]
    Fingerprint { expected: String, found: String },
    #[error("{0}")]
    Refused(String),
    #[error("manager {remote} did not admit this node: {reason}")]
    Remote { remote: String, reason: String },
    #[error("manager {remote} did not {what}: {reason}")]
    Member {
        remote: String,
        what: &'static str,
        reason: String,
    },
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Peer(#[from] PeerError),
    #[error("cannot make a key: {0}")]
    Key(#[from] rcgen::Error),
}

/// A fresh key with the request to certify it.
pub struct SigningRequest {
    /// The key, PEM (PKCS#8).
    pub key_pem: String,
    /// The request, PEM. It names nobody: managers choose id and role.
    pub csr_pem: String,
}

impl SigningRequest {
    /// Makes an ECDSA P-256 key and its request.
    pub fn fresh() -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&key)?;
        Ok(Self {
            key_pem: key.serialize_pem(),
            csr_pem: request.pem()?,
        })
    }
}

/// Joins the cluster. Nothing is written to disk; the caller keeps the identity with [`Identity::save`].
pub async fn join(request: &JoinRequest) -> Result<Identity, JoinError> {
    let said = root_certificate(&request.remote).await?.pem;
    let ca_pem = pinned_root(&said, &request.token)?;

    let pinned = connect(&request.remote, peer::client_config(&Accept::Manager(&ca_pem), None)?).await?;
    let signing = SigningRequest::fresh()?;
    let issue = pb::IssueCertificateRequest {
        token: request.token.to_string(),
        csr_pem: signing.csr_pem,
        availability: pb::Availability::from(request.availability).into(),
        addr: request.addr.clone(),
    };
    let issued = AdmissionClient::new(pinned)
        .issue_certificate(issue)
        .await
        .map_err(|status| match status.code() {
            // The token, or what came with it, is not good: the manager says which.
            Code::InvalidArgument | Code::Unauthenticated | Code::PermissionDenied => {
                JoinError::Refused(status.message().to_owned())
            }
            _ => unadmitted(&request.remote, &status),
        })?
        .into_inner();
    let roots = trusted(issued.roots_pem, &ca_pem);
    Ok(Identity::from_pem(issued.certificate_pem, signing.key_pem, roots)?)
}

/// A new certificate and key for the same node, over a channel to the manager `remote`.
pub async fn renew(identity: &Identity, remote: &str, channel: Channel) -> Result<Identity, JoinError> {
    let signing = SigningRequest::fresh()?;
    let request = pb::RenewCertificateRequest {
        csr_pem: signing.csr_pem,
    };
    let issued = DispatcherClient::new(channel)
        .renew_certificate(request)
        .await
        .map_err(|status| refused(remote, "renew this node's certificate", &status))?
        .into_inner();
    let roots = trusted(issued.roots_pem, &identity.ca_pem);
    Ok(Identity::from_pem(issued.certificate_pem, signing.key_pem, roots)?)
}

/// What a manager under the known roots says that is to be trusted from now on; nothing said, nothing changed.
fn trusted(said: String, known: &str) -> String {
    if said.is_empty() { known.to_owned() } else { said }
}

/// Tells the manager `remote` what this node has of the cluster's authority.
pub async fn confirm(identity: &Identity, remote: &str, channel: Channel) -> Result<(), JoinError> {
    let request = pb::ConfirmTrustRequest {
        certificate_pem: identity.certificate_pem.clone(),
        roots: peer::digests(&identity.ca_pem)?,
    };
    let confirmed = DispatcherClient::new(channel).confirm_trust(request).await;
    let unheard = |status| refused(remote, "take note of what this node trusts", &status);
    confirmed.map(|_| ()).map_err(unheard)
}

impl Identity {
    /// A channel to the manager at `addr`, showing this identity.
    pub async fn connect(&self, addr: &str) -> Result<Channel, JoinError> {
        Ok(connect(addr, self.client_config()?).await?)
    }
}

/// The UDP port of the tunnels in the cluster of the manager at `remote`, as it says to anybody; `None` if it does not.
pub async fn data_port(remote: &str) -> Result<Option<u16>, JoinError> {
    let port = root_certificate(remote).await?.data_port;
    Ok(u16::try_from(port).ok().filter(|port| *port > 0))
}

async fn root_certificate(remote: &str) -> Result<pb::RootCertificateResponse, JoinError> {
    let channel = connect(remote, peer::client_config(&Accept::Anybody, None)?).await?;
    let response = AdmissionClient::new(channel)
        .root_certificate(pb::RootCertificateRequest {})
        .await
        .map_err(|status| unadmitted(remote, &status))?;
    Ok(response.into_inner())
}

/// The root that the token pins, PEM: made anew from the bytes whose digest was compared, as nothing else that the manager
/// has sent along may be trusted.
fn pinned_root(said: &str, token: &JoinToken) -> Result<String, JoinError> {
    let der = peer::only(said)
        .map_err(|_| PeerError::Certificate("the manager sent something else than one root certificate in PEM form"))?;
    let found = digest(&SHA256, &der);
    if token.pins(found.as_ref()) {
        return Ok(peer::to_pem(&der));
    }
    Err(JoinError::Fingerprint {
        expected: hex(&token.digest),
        found: hex(found.as_ref()),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unadmitted(remote: &str, status: &Status) -> JoinError {
    JoinError::Remote {
        remote: remote.to_owned(),
        reason: status.message().to_owned(),
    }
}

/// What a node asked that is one already.
fn refused(remote: &str, what: &'static str, status: &Status) -> JoinError {
    JoinError::Member {
        remote: remote.to_owned(),
        what,
        reason: status.message().to_owned(),
    }
}
