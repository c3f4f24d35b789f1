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
        managers: Vec::new(),
    };
    let (now, current) = watch::channel(credentials(&root, 1));
    let (_told, told) = watch::channel(vec![known]);
    let peers = Peers::new(own, current, told, Hints::default());
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

#[tokio::test]
async fn a_manager_that_has_moved_is_found_where_an_operator_says_that_one_is() {
    let root = Root::create(mint::now()).unwrap();
    let (other, third) = (credentials(&root, 2), credentials(&root, 3));
    let listeners = [
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
    ];
    let known = KnownManager {
        member: 2,
        node: other.node,
        // Somebody else is there now.
        addr: listeners[0].local_addr().unwrap(),
    };
    let own = Introduction {
        member: 1,
        addr: String::new(),
        managers: Vec::new(),
    };
    let (_now, current) = watch::channel(credentials(&root, 1));
    let (_told, told) = watch::channel(vec![known]);
    let hint = listeners[1].local_addr().unwrap().to_string();
    let hints = Hints::of(&watch::Sender::new(vec![hint]));
    let peers = Peers::new(own, current, told, hints);
    let acceptor = TlsAcceptor::from(tls::server_config(&third).unwrap());
    let refusing = async {
        let (stream, _) = listeners[0].accept().await.unwrap();
        acceptor.accept(stream).await.map(drop)
    };
    let (dialled, _) = tokio::join!(peers.dial(2), refusing);
    assert!(dialled.is_err(), "known by its identity, not by its address");
    let (dialled, _stream) = tokio::join!(peers.dial(2), answer(&listeners[1], &other));
    dialled.unwrap();
}

#[test]
fn a_member_younger_than_the_state_is_taken_once_a_known_one_vouches_for_it() {
    let root = Root::create(mint::now()).unwrap();
    let own = Introduction {
        member: 1,
        addr: String::new(),
        managers: Vec::new(),
    };
    let (_now, current) = watch::channel(credentials(&root, 1));
    let (_told, told) = watch::channel(Vec::new());
    let peers = Peers::new(own, current, told, Hints::default());
    let (young, addr) = (NodeId::from_bits(6), "10.0.0.6:2377");
    assert_eq!(peers.judge(young, 6, addr), Verdict::Stranger);
    let known = KnownManager {
        member: 6,
        node: young,
        addr: addr.parse().unwrap(),
    };
    peers.vouched(&[known.into(), pb::ManagerAddr::default()]);
    assert_eq!(peers.judge(young, 6, addr), Verdict::Taken);
    assert_eq!(peers.judge(NodeId::from_bits(7), 6, addr), Verdict::Stranger);
    let (node, places) = peers.find(6).unwrap();
    assert_eq!((node, places.at(0).map(String::as_str)), (young, Some(addr)));
    let many = (7..100).map(|member| KnownManager { member, ..known }.into());
    peers.vouched(&many.collect::<Vec<_>>());
    assert_eq!(peers.told().len(), MOST_VOUCHED);
}

#[test]
fn known_places_come_first_and_later_every_fourth_attempt_goes_where_others_were() {
    let texts = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    let places = Places::new(texts(&["a", "b", "a"]).into_iter(), texts(&["a", "x", "y"]).into_iter());
    assert_eq!(
        (&places.known, &places.others),
        (&texts(&["a", "b"]), &texts(&["x", "y"]))
    );
    let tried = |range: std::ops::Range<usize>| range.map(|n| places.at(n).unwrap().as_str()).collect::<String>();
    assert_eq!(tried(0..Places::PATIENCE), "ab".repeat(10));
    assert_eq!(tried(20..32), "xbabybabxbab");
    assert_eq!(Places::new(std::iter::empty(), std::iter::empty()).at(0), None);
}
