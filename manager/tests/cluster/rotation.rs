//! The cluster's root certificate is replaced while nodes hold sessions, join and stay away.

use manager::ManagerHandle;
use model::{JoinToken, Role};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, PKCS_ECDSA_P384_SHA384, date_time_ymd};
use tonic::Code;
use wire::pb::{self, dispatcher_client::DispatcherClient, session_down};

use crate::node::{Agent, Member, bootstrap, join, operator, signing_request};

async fn cluster(manager: &ManagerHandle) -> pb::Cluster {
    let mut control = operator(manager).await;
    control
        .get_cluster(pb::GetClusterRequest {})
        .await
        .unwrap()
        .into_inner()
}

async fn rotate(manager: &ManagerHandle, given: Option<(&str, &str)>) -> Result<pb::Cluster, tonic::Status> {
    let (root_ca, root_key) = given.unwrap_or_default();
    let request = pb::RotateRootRequest {
        request: String::new(),
        version: cluster(manager).await.version,
        root_ca: root_ca.to_owned(),
        root_key: root_key.to_owned(),
    };
    let rotated = operator(manager).await.rotate_root(request).await;
    rotated.map(tonic::Response::into_inner)
}

/// What the node is told to have that fits.
async fn trust(agent: &mut Agent, fits: impl Fn(&pb::Trust) -> bool) -> pb::Trust {
    loop {
        match agent.next().await.unwrap() {
            session_down::Message::Trust(trust) if fits(&trust) => return trust,
            _ => {}
        }
    }
}

/// Does what a node does that is told of another root: a certificate under it, then the roots, then the confirmation.
async fn follow(member: &mut Member, roots_pem: &str) {
    let mut dispatcher = DispatcherClient::new(member.channel().await);
    let (key, csr_pem) = signing_request();
    let renewed = dispatcher
        .renew_certificate(pb::RenewCertificateRequest { csr_pem })
        .await
        .unwrap()
        .into_inner();
    (member.certificate, member.key) = (renewed.certificate_pem, key);
    confirm(member, roots_pem).await;
}

async fn confirm(member: &Member, roots_pem: &str) {
    let request = pb::ConfirmTrustRequest {
        certificate_pem: member.certificate.clone(),
        roots: peer::digests(roots_pem).unwrap(),
    };
    let mut dispatcher = DispatcherClient::new(member.channel().await);
    dispatcher.confirm_trust(request).await.unwrap();
}

async fn finished(manager: &ManagerHandle) -> pb::Cluster {
    loop {
        let now = cluster(manager).await;
        if now.next_root_ca.is_none() {
            return now;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_old_root_goes_when_every_node_has_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, first) = bootstrap(folder.path()).await;
    let (old_root, old_token) = (first.root_pem.clone(), manager.join_token(Role::Worker).unwrap());
    let mut own = Member::first(&first, manager.listen_addr());
    let mut away = join(manager.listen_addr(), &old_token).await.unwrap();
    let mut agent = own.agent("n1").await;
    confirm(&own, &old_root).await;
    trust(&mut agent, |trust| trust.confirmed).await;

    let started = rotate(&manager, None).await.unwrap();
    assert_eq!((started.nodes, started.certified_nodes), (2, 0));
    assert_eq!(started.root_ca, old_root, "tokens pin the old root until it is done");
    let told = trust(&mut agent, |trust| trust.issuer == started.root_digest).await;
    assert!(!told.confirmed);
    assert_eq!(peer::digests(&told.roots_pem).unwrap().len(), 2);

    // Who joins meanwhile gets a certificate that those accept who know the old root only, and those who know the new.
    let joined = join(manager.listen_addr(), &old_token).await.unwrap();
    let new_root = started.next_root_ca.clone().unwrap();
    for root in [&old_root, &new_root] {
        peer::verify(&joined.certificate, root).unwrap();
    }
    assert_eq!(
        peer::issuer(&joined.certificate, &told.roots_pem).unwrap().as_ref(),
        Some(&started.root_digest)
    );

    follow(&mut own, &told.roots_pem).await;
    confirm(&joined, &told.roots_pem).await;
    let shown = operator(&manager)
        .await
        .list_nodes(pb::ListNodesRequest::default())
        .await;
    let shown = shown.unwrap().into_inner().nodes;
    let mut current: Vec<_> = shown.iter().map(|node| node.tls_current).collect();
    current.sort();
    assert_eq!(current, [None, Some(true), Some(true)]);
    let shown: Vec<_> = shown.into_iter().map(|node| node.tls).collect();
    assert_eq!(shown.iter().flatten().count(), 2, "one node has not said what it has");
    for tls in shown.into_iter().flatten() {
        assert_eq!(
            peer::digests(&tls.trust_root).unwrap(),
            peer::digests(&told.roots_pem).unwrap()
        );
        assert!(!tls.issuer_subject.is_empty() && !tls.issuer_public_key.is_empty());
    }
    let waiting = cluster(&manager).await;
    assert_eq!(
        (waiting.nodes, waiting.certified_nodes, waiting.trusting_nodes),
        (3, 2, 0)
    );
    assert!(waiting.next_root_ca.is_some(), "one node is away");
    follow(&mut away, &told.roots_pem).await;
    let done = finished(&manager).await;
    assert_eq!((&done.root_ca, &done.root_digest), (&new_root, &started.root_digest));

    let told = trust(&mut agent, |trust| trust.roots_pem == new_root).await;
    assert!(!told.confirmed, "the old root has to go from the nodes as well");
    confirm(&joined, &new_root).await;
    assert_eq!(cluster(&manager).await.trusting_nodes, 1);
    let all = pb::ListNodesRequest::default();
    let shown = operator(&manager)
        .await
        .list_nodes(all)
        .await
        .unwrap()
        .into_inner()
        .nodes;
    let lagging = shown.iter().filter(|node| node.tls_current == Some(false)).count();
    assert_eq!(lagging, 2, "they trust the old root still");

    let refused = join(manager.listen_addr(), &old_token).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let token: JoinToken = manager.join_token(Role::Worker).unwrap().parse().unwrap();
    assert!(token.pins(&digest(&new_root)));
    assert!(join(manager.listen_addr(), &token.to_string()).await.is_ok());
    manager.shutdown().await;
}

fn digest(pem: &str) -> Vec<u8> {
    use rustls::pki_types::pem::PemObject;
    let der = rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    ring::digest::digest(&ring::digest::SHA256, &der).as_ref().to_vec()
}

#[tokio::test]
async fn a_node_that_is_removed_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, first) = bootstrap(folder.path()).await;
    let token = manager.join_token(Role::Worker).unwrap();
    let lost = join(manager.listen_addr(), &token).await.unwrap();
    let started = rotate(&manager, None).await.unwrap();
    let bundle = format!("{}\n{}", first.root_pem, started.next_root_ca.clone().unwrap());
    let mut own = Member::first(&first, manager.listen_addr());
    follow(&mut own, &bundle).await;
    assert!(cluster(&manager).await.next_root_ca.is_some());
    let remove = pb::RemoveRequest {
        r#ref: lost.id,
        force: true,
        ..pb::RemoveRequest::default()
    };
    operator(&manager).await.remove_node(remove).await.unwrap();
    assert_eq!(finished(&manager).await.root_digest, started.root_digest);
    manager.shutdown().await;
}

fn authority(change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Example, Inc.");
    change(&mut params);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[tokio::test]
async fn a_given_root_is_checked_before_anything_trusts_it() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, first) = bootstrap(folder.path()).await;
    let good = authority(|_| {});
    let other = authority(|_| {});
    let leaf = authority(|params| params.is_ca = IsCa::ExplicitNoCa);
    let expired = authority(|params| params.not_after = date_time_ymd(2020, 1, 1));
    let soon = {
        let soon = time::OffsetDateTime::now_utc() + time::Duration::days(3);
        authority(|params| params.not_after = soon)
    };
    let own_key = manager.view().cluster().unwrap().secrets.root_ca_key.clone();
    for (certificate, key, words) in [
        ("nonsense", good.1.as_str(), "no PEM certificate"),
        (good.0.as_str(), "nonsense", "PKCS#8"),
        (good.0.as_str(), other.1.as_str(), "is not its key"),
        (good.0.as_str(), "", "--ca-key"),
        (leaf.0.as_str(), leaf.1.as_str(), "not a CA"),
        (expired.0.as_str(), expired.1.as_str(), "has expired"),
        (soon.0.as_str(), soon.1.as_str(), "--cert-expiry"),
        (first.root_pem.as_str(), own_key.as_str(), "already"),
    ] {
        let refused = rotate(&manager, Some((certificate, key))).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
        assert!(refused.message().contains(words), "{words}: {refused:?}");
    }
    assert!(cluster(&manager).await.next_root_ca.is_none(), "nothing began");
    let started = rotate(&manager, Some((&good.0, &good.1))).await.unwrap();
    assert_eq!(started.next_root_ca.as_deref(), Some(good.0.as_str()));
    let token = manager.join_token(Role::Worker).unwrap();
    let joined = join(manager.listen_addr(), &token).await.unwrap();
    for root in [&first.root_pem, &good.0] {
        peer::verify(&joined.certificate, root).unwrap();
    }
    manager.shutdown().await;
}
