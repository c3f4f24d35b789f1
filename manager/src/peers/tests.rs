//! What a manager shows to those that it calls.

use model::{ClusterId, Role};
use peer::Subject;
use rustls::pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::*;
use crate::{
    ca::{Root, fresh_request},
    mint,
};

fn credentials(root: &Root, node: u128) -> NodeCredentials {
    let (node, cluster, role) = (NodeId::from_bits(node), ClusterId::from_bits(9), Role::Manager);
    let (key_pem, csr_pem) = fresh_request().unwrap();
    let life = std::time::Duration::from_secs(3600);
    let subject = Subject { node, role, cluster };
    NodeCredentials {
        node,
        cluster,
        role,
        certificate_pem: root.sign(&csr_pem, subject, mint::now(), life).unwrap(),
        key_pem,
        root_pem: root.certificate_pem.clone(),
    }
}

/// Takes one call, and what the caller shows.
async fn answer(listener: &TcpListener, own: &NodeCredentials) -> (TlsStream<TcpStream>, Vec<CertificateDer<'static>>) {
    let (stream, _) = listener.accept().await.unwrap();
    let acceptor = TlsAcceptor::from(tls::server_config(own).unwrap());
    let stream = acceptor.accept(stream).await.unwrap();
    let shown = stream.get_ref().1.peer_certificates().unwrap().to_vec();
    (stream, shown)
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_the_next_manager_that_is_called() {
    let root = Root::create(mint::now()).unwrap();
    let other = credentials(&root, 2);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let known = KnownManager {
        member: 2,
        node: other.node,
        addr: listener.local_addr().unwrap(),
    };
    let own = Introduction {
        member: 1,
        addr: String::new(),
    };
    let (now, current) = watch::channel(credentials(&root, 1));
    let (_told, told) = watch::channel(vec![known]);
    let peers = Peers::new(own, current, told);
    let mut before = Vec::new();
    for _ in 0..2 {
        let want = peer::chain(&now.borrow().certificate_pem).unwrap();
        let (dialled, (_stream, shown)) = tokio::join!(peers.dial(2), answer(&listener, &other));
        dialled.unwrap();
        assert_eq!(shown, want);
        assert_ne!(shown, before);
        before = shown;
        now.send_replace(credentials(&root, 1));
    }
}
