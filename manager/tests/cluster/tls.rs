//! The control port speaks TLS 1.3 only, and shows the certificate that the node has now.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use manager::NodeCredentials;
use rustls::{
    AlertDescription, ClientConfig, Error, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use wire::pb::{self, dispatcher_client::DispatcherClient};

use crate::node::{AnyServer, Member, bootstrap, signing_request};

async fn shake_hands(addr: SocketAddr, version: &'static SupportedProtocolVersion) -> io::Result<TlsStream<TcpStream>> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer))
        .with_no_client_auth();
    let stream = TcpStream::connect(addr).await?;
    let name = ServerName::try_from("manager.netctl").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[tokio::test]
async fn tls_1_2_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let refused = shake_hands(manager.listen_addr(), &TLS12).await.unwrap_err();
    let why = refused.get_ref().and_then(|why| why.downcast_ref::<Error>());
    assert_eq!(why, Some(&Error::AlertReceived(AlertDescription::ProtocolVersion)));
    shake_hands(manager.listen_addr(), &TLS13).await.unwrap();
    manager.shutdown().await;
}

async fn shown(addr: SocketAddr) -> CertificateDer<'static> {
    let stream = shake_hands(addr, &TLS13).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

fn leaf(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_on_the_next_connection() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, credentials) = bootstrap(folder.path()).await;
    let addr = manager.listen_addr();
    assert_eq!(shown(addr).await, leaf(&credentials.certificate_pem));
    let channel = Member::first(&credentials, addr).channel().await;
    let (key_pem, csr_pem) = signing_request();
    let request = pb::RenewCertificateRequest { csr_pem };
    let renewed = DispatcherClient::new(channel).renew_certificate(request).await.unwrap();
    let certificate_pem = renewed.into_inner().certificate_pem;
    let renewed = leaf(&certificate_pem);
    assert_ne!(renewed, leaf(&credentials.certificate_pem));
    let credentials = NodeCredentials {
        certificate_pem,
        key_pem,
        ..credentials
    };
    manager.set_credentials(credentials).unwrap();
    assert_eq!(shown(addr).await, renewed);
    manager.shutdown().await;
}

/// Connections from `from` that say nothing.
async fn silent(from: [u8; 4], to: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for _ in 0..count {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        open.push(socket.connect(to).await.unwrap());
    }
    open
}

#[tokio::test]
async fn who_says_nothing_keeps_nobody_else_from_shaking_hands() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, _) = bootstrap(folder.path()).await;
    let addr = manager.listen_addr();
    let mut held = silent([127, 0, 0, 9], addr, 300).await;
    let began = Instant::now();
    shake_hands(addr, &TLS13).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let refused = held.last_mut().unwrap().read(&mut [0]).await;
    assert!(refused.is_err() || refused.is_ok_and(|read| read == 0), "it is closed");
    // A node is at the other address, and may be many.
    let _held = silent([127, 0, 0, 1], addr, 100).await;
    shake_hands(addr, &TLS13).await.unwrap();
    manager.shutdown().await;
}
