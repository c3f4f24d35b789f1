//! A small certificate authority and a manager's admission port, for tests.

use std::sync::{Arc, Mutex};

use hyper::http;
use model::{ClusterId, JoinToken, NodeId, Role};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::net::TcpListener;
use tonic::{Request, Response, Status};
use wire::pb::{
    self,
    admission_server::{Admission, AdmissionServer},
};

use super::Identity;

/// A cluster's authority.
pub struct Authority {
    pub pem: String,
    /// The years of what it signs on request.
    pub signs: [i32; 2],
    issuer: Issuer<'static, KeyPair>,
}

fn subject(node: u128, role: Role) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, NodeId::from_bits(node).to_string());
    name.push(DnType::OrganizationalUnitName, role.word());
    name.push(DnType::OrganizationName, ClusterId::from_bits(1).to_string());
    name
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self {
            pem,
            signs: [1975, 4096],
            issuer,
        }
    }

    fn params(node: u128, role: Role) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(node, role);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params
    }

    /// A node's identity.
    pub fn identity(&self, node: u128, role: Role) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = Self::params(node, role).signed_by(&key, &self.issuer).unwrap();
        Identity::from_pem(certificate.pem(), key.serialize_pem(), self.pem.clone()).unwrap()
    }

    /// A node's identity near the end of its life.
    pub fn aged(&self, node: u128, role: Role) -> Identity {
        self.living(node, role, [1975, 2035])
    }

    /// A node's identity from the beginning of a year to that of another one.
    pub fn living(&self, node: u128, role: Role, years: [i32; 2]) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = Self::params(node, role);
        [params.not_before, params.not_after] = years.map(|year| rcgen::date_time_ymd(year, 1, 1));
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity::from_pem(certificate.pem(), key.serialize_pem(), self.pem.clone()).unwrap()
    }

    /// A certificate for node 7, a worker, whatever the request says.
    pub fn sign(&self, csr_pem: &str) -> String {
        let mut request = CertificateSigningRequestParams::from_pem(csr_pem).unwrap();
        request.params = Self::params(7, Role::Worker);
        [request.params.not_before, request.params.not_after] = self.signs.map(|year| rcgen::date_time_ymd(year, 1, 1));
        request.signed_by(&self.issuer).unwrap().pem()
    }

    /// The token that pins this authority.
    pub fn token(&self) -> JoinToken {
        let der = CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap();
        let digest = ring::digest::digest(&ring::digest::SHA256, &der);
        JoinToken {
            digest: digest.as_ref().try_into().unwrap(),
            secret: [1; 16],
        }
    }
}

/// A server that admits nodes.
pub struct Server {
    pub addr: String,
    /// Tokens that it was shown.
    pub shown: Arc<Mutex<Vec<String>>>,
}

struct Desk {
    authority: Arc<Authority>,
    /// What it says that the cluster's root is.
    root_pem: String,
    shown: Arc<Mutex<Vec<String>>>,
}

/// Serves admission with `role` in the server's certificate.
pub async fn serve(authority: Arc<Authority>, role: Role) -> Server {
    let root_pem = authority.pem.clone();
    serve_root(authority, role, root_pem).await
}

/// As [`serve`], by somebody who says that this is the cluster's root.
pub async fn serve_root(authority: Arc<Authority>, role: Role, root_pem: String) -> Server {
    let shown = Arc::new(Mutex::new(Vec::new()));
    let identity = authority.identity(2, role);
    let desk = Desk {
        authority,
        root_pem,
        shown: shown.clone(),
    };
    let addr = serve_tls(&identity, AdmissionServer::new(desk)).await;
    Server { addr, shown }
}

/// Serves `service` over TLS as `identity`; returns where.
pub async fn serve_tls<S>(identity: &Identity, service: S) -> String
where
    S: tower::Service<http::Request<hyper::body::Incoming>, Response = http::Response<tonic::body::Body>>
        + Clone
        + Send
        + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send,
{
    let acceptor = acceptor(identity);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, service) = (acceptor.clone(), service.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let service = hyper_util::service::TowerToHyperService::new(service);
                let executor = hyper_util::rt::TokioExecutor::new();
                let _ = hyper::server::conn::http2::Builder::new(executor)
                    .serve_connection(hyper_util::rt::TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    addr
}

fn acceptor(identity: &Identity) -> tokio_rustls::TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_slice(identity.certificate_pem.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    tokio_rustls::TlsAcceptor::from(Arc::new(config))
}

#[tonic::async_trait]
impl Admission for Desk {
    async fn root_certificate(
        &self,
        _request: Request<pb::RootCertificateRequest>,
    ) -> Result<Response<pb::RootCertificateResponse>, Status> {
        let pem = self.root_pem.clone();
        Ok(Response::new(pb::RootCertificateResponse { pem, data_port: 0 }))
    }

    async fn issue_certificate(
        &self,
        request: Request<pb::IssueCertificateRequest>,
    ) -> Result<Response<pb::IssueCertificateResponse>, Status> {
        let request = request.into_inner();
        self.shown.lock().unwrap().push(request.token.clone());
        if request.token != self.authority.token().to_string() {
            return Err(Status::invalid_argument(
                "A valid join token is necessary to join this cluster",
            ));
        }
        Ok(Response::new(pb::IssueCertificateResponse {
            certificate_pem: self.authority.sign(&request.csr_pem),
            ..Default::default()
        }))
    }
}
