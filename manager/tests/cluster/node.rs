//! What the tests play: an operator on the local socket's routes, machines that join, agents that hold sessions.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use manager::{InitParams, Manager, ManagerConfig, ManagerHandle, NodeCredentials};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    version::TLS13,
};
use tokio::{net::TcpStream, sync::mpsc, time::timeout};
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status, Streaming,
    transport::{Channel, Endpoint, Server, Uri},
};
use wire::pb::{
    self, admission_client::AdmissionClient, control_client::ControlClient, dispatcher_client::DispatcherClient,
    session_down, session_up,
};

/// Longest wait for anything that has to come.
const PATIENCE: Duration = Duration::from_secs(5);

pub fn config(folder: &Path) -> ManagerConfig {
    ManagerConfig {
        data_root: folder.to_owned(),
        listen_addr: ([127, 0, 0, 1], 0).into(),
        advertise_addr: ([127, 0, 0, 1], 0).into(),
        hints: manager::Hints::default(),
    }
}

pub async fn bootstrap(folder: &Path) -> (ManagerHandle, NodeCredentials) {
    Manager::bootstrap(config(folder), InitParams::new()).await.unwrap()
}

/// The cluster's API as on the daemon's local socket, through a pipe in memory.
pub async fn operator(handle: &ManagerHandle) -> ControlClient<Channel> {
    let (here, there) = tokio::io::duplex(1 << 20);
    let routes = handle.local_routes();
    tokio::spawn(async move {
        let incoming = tokio_stream::once(Ok::<_, std::io::Error>(there));
        Server::builder().add_routes(routes).serve_with_incoming(incoming).await
    });
    let mut pipe = Some(here);
    let connector = tower::service_fn(move |_: Uri| {
        let pipe = pipe.take().map(TokioIo::new).ok_or(std::io::ErrorKind::NotConnected);
        async move { pipe.map_err(std::io::Error::from) }
    });
    let channel = Endpoint::from_static("http://local")
        .connect_with_connector(connector)
        .await;
    ControlClient::new(channel.unwrap())
}

/// Trusts every server: what the server checks is under test here, the client's checks are the agent's.
#[derive(Debug)]
pub struct AnyServer;

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A channel to the control port, showing a certificate or none.
pub async fn channel(addr: SocketAddr, shown: Option<(&str, &str)>) -> Result<Channel, tonic::transport::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer));
    let mut config = match shown {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = CertificateDer::pem_slice_iter(certificate.as_bytes());
            let chain = chain.collect::<Result<_, _>>().unwrap();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let config = Arc::new(config);
    let connector = tower::service_fn(move |_: Uri| {
        let connector = TlsConnector::from(config.clone());
        async move {
            let stream = TcpStream::connect(addr).await?;
            let name = ServerName::try_from("manager.netctl").unwrap();
            Ok::<_, std::io::Error>(TokioIo::new(connector.connect(name, stream).await?))
        }
    });
    Endpoint::from_static("http://manager.netctl")
        .connect_with_connector(connector)
        .await
}

/// A fresh key, PEM, and a request for it, PEM.
pub fn signing_request() -> (String, String) {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let request = CertificateParams::default().serialize_request(&key).unwrap();
    (key.serialize_pem(), request.pem().unwrap())
}

/// A machine that has joined.
#[derive(Clone, Debug)]
pub struct Member {
    pub id: String,
    pub certificate: String,
    pub key: String,
    pub manager: SocketAddr,
    /// Where it says that it is.
    pub addr: Option<SocketAddr>,
}

pub async fn join(manager: SocketAddr, token: &str) -> Result<Member, Status> {
    let (key, csr_pem) = signing_request();
    let mut admission = AdmissionClient::new(channel(manager, None).await.unwrap());
    let request = pb::IssueCertificateRequest {
        token: token.to_owned(),
        csr_pem,
        availability: pb::Availability::Active.into(),
        addr: "127.0.0.2".to_owned(),
    };
    let issued = admission.issue_certificate(request).await?.into_inner();
    Ok(Member {
        id: issued.node,
        certificate: issued.certificate_pem,
        key,
        manager,
        addr: None,
    })
}

impl Member {
    /// The node whose credentials bootstrap gave.
    pub fn first(credentials: &NodeCredentials, manager: SocketAddr) -> Self {
        Self {
            id: credentials.node.to_string(),
            certificate: credentials.certificate_pem.clone(),
            key: credentials.key_pem.clone(),
            manager,
            addr: None,
        }
    }

    pub async fn channel(&self) -> Channel {
        self.try_channel().await.unwrap()
    }

    pub async fn try_channel(&self) -> Result<Channel, Status> {
        let shown = Some((self.certificate.as_str(), self.key.as_str()));
        let channel = channel(self.manager, shown).await;
        channel.map_err(|why| Status::unavailable(why.to_string()))
    }

    /// A session that takes whole views only.
    pub async fn agent(&self, hostname: &str) -> Agent {
        self.try_agent(hostname).await.unwrap()
    }

    pub async fn try_agent(&self, hostname: &str) -> Result<Agent, Status> {
        self.try_session(pb::Hello {
            format: 1,
            description: Some(description(hostname)),
            addr: self.addr.map(|addr| addr.to_string()).unwrap_or_default(),
            ..pb::Hello::default()
        })
        .await
    }

    pub async fn session(&self, hello: pb::Hello) -> Agent {
        self.try_session(hello).await.unwrap()
    }

    pub async fn try_session(&self, hello: pb::Hello) -> Result<Agent, Status> {
        let (up, stream) = mpsc::channel(16);
        up.send(up_message(session_up::Message::Hello(hello))).await.unwrap();
        let mut dispatcher = DispatcherClient::new(self.try_channel().await?);
        let down = dispatcher.session(ReceiverStream::new(stream)).await?.into_inner();
        Ok(Agent { up, down })
    }
}

fn up_message(message: session_up::Message) -> pb::SessionUp {
    pb::SessionUp { message: Some(message) }
}

pub fn description(hostname: &str) -> pb::NodeDescription {
    pb::NodeDescription {
        hostname: hostname.to_owned(),
        os: "linux".to_owned(),
        arch: "x86_64".to_owned(),
        engine_version: "20.10".to_owned(),
        nano_cpus: 2_000_000_000,
        memory_bytes: 1 << 30,
        vtep: "127.0.0.2".to_owned(),
        underlay_mtu: 1500,
        ..pb::NodeDescription::default()
    }
}

/// An agent's end of a session.
pub struct Agent {
    pub up: mpsc::Sender<pb::SessionUp>,
    pub down: Streaming<pb::SessionDown>,
}

impl Agent {
    /// The next message, or how the session ended.
    pub async fn next(&mut self) -> Result<session_down::Message, Status> {
        self.next_for(PATIENCE).await
    }

    pub async fn next_for(&mut self, patience: Duration) -> Result<session_down::Message, Status> {
        let next = timeout(patience, self.down.message()).await;
        let next = next.expect("a message or an end in time")?;
        next.and_then(|down| down.message)
            .ok_or_else(|| Status::aborted("ended"))
    }

    /// The first view that fits.
    pub async fn view(&mut self, fits: impl Fn(&pb::NodeView) -> bool) -> pb::NodeView {
        loop {
            match self.next().await.unwrap() {
                session_down::Message::View(view) if fits(&view) => return view,
                _ => {}
            }
        }
    }

    /// How the session ends.
    pub async fn end(&mut self) -> Status {
        loop {
            if let Err(status) = self.next().await {
                return status;
            }
        }
    }

    pub async fn beat(&self) {
        let beat = pb::Heartbeat::default();
        let _ = self.up.send(up_message(session_up::Message::Heartbeat(beat))).await;
    }

    pub async fn report(&self, task: &str, state: pb::TaskState) {
        let status = pb::TaskStatus {
            state: state.into(),
            at: 1,
            message: "told by the test".to_owned(),
            ..pb::TaskStatus::default()
        };
        let report = pb::TaskReport {
            task: task.to_owned(),
            status: Some(status),
        };
        let batch = pb::StatusBatch { reports: vec![report] };
        self.up
            .send(up_message(session_up::Message::Statuses(batch)))
            .await
            .unwrap();
    }
}

pub fn network(name: &str) -> pb::CreateNetworkRequest {
    pb::CreateNetworkRequest {
        request: String::new(),
        spec: Some(pb::NetworkSpec {
            name: name.to_owned(),
            ..pb::NetworkSpec::default()
        }),
    }
}

/// A service on network "blue".
pub fn service(name: &str, replicas: u32) -> pb::CreateServiceRequest {
    let name = name.parse().unwrap();
    let mut spec = pb::ServiceSpec::from(model::ServiceSpec::new(name, "busybox"));
    spec.mode = Some(pb::service_spec::Mode::Replicated(pb::ReplicatedMode { replicas }));
    spec.networks = vec![pb::NetworkAttachment {
        network: "blue".to_owned(),
        aliases: Vec::new(),
    }];
    pb::CreateServiceRequest {
        request: String::new(),
        spec: Some(spec),
    }
}
