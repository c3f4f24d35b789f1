//! Managers whose certificates ended while they were off: each signs itself another, and nobody is needed for it.

use std::path::Path;

use manager::{InitParams, Manager, ManagerHandle, NodeCredentials, View};
use model::Role;
use peer::{Accept, Own, Subject};
use rcgen::{CertificateParams, DistinguishedName, DnType, Issuer, KeyPair, date_time_ymd};
use wire::pb::{self, dispatcher_client::DispatcherClient};

use crate::{
    group::{Group, Seat, until},
    node::{Member, bootstrap, config, join, network, operator},
};

/// The node's credentials when its certificate, signed by the root of `view`, has ended, or begins in the year 4000.
fn not_valid(credentials: &NodeCredentials, view: &View, years: [i32; 2]) -> NodeCredentials {
    let cluster = view.cluster().unwrap();
    let root_key = KeyPair::from_pem(&cluster.secrets.root_ca_key).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&cluster.root_ca, root_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for (part, text) in [
        (DnType::CommonName, credentials.node.to_string()),
        (DnType::OrganizationalUnitName, credentials.role.word().to_owned()),
        (DnType::OrganizationName, credentials.cluster.to_string()),
    ] {
        params.distinguished_name.push(part, text);
    }
    [params.not_before, params.not_after] = years.map(|year| date_time_ymd(year, 1, 1));
    NodeCredentials {
        certificate_pem: params.signed_by(&key, &issuer).unwrap().pem(),
        key_pem: key.serialize_pem(),
        ..credentials.clone()
    }
}

fn ended(credentials: &NodeCredentials, view: &View) -> NodeCredentials {
    not_valid(credentials, view, [2020, 2021])
}

/// Calls as the node's agent does: it checks the manager, and is checked.
async fn renews(credentials: &NodeCredentials, manager: &ManagerHandle) {
    let own = Own {
        certificate_pem: &credentials.certificate_pem,
        key_pem: &credentials.key_pem,
    };
    let tls = peer::client_config(&Accept::Manager(&credentials.root_pem), Some(own)).unwrap();
    let channel = peer::connect(&manager.listen_addr().to_string(), tls).await.unwrap();
    let (_, csr_pem) = crate::node::signing_request();
    let request = pb::RenewCertificateRequest { csr_pem };
    DispatcherClient::new(channel).renew_certificate(request).await.unwrap();
}

async fn started(folder: &Path, credentials: &NodeCredentials) -> ManagerHandle {
    Manager::start(config(folder), credentials.clone(), None).await.unwrap()
}

#[tokio::test]
async fn a_manager_whose_certificate_is_not_valid_any_more_starts_with_another() {
    let folder = tempfile::tempdir().unwrap();
    let (first, credentials) = bootstrap(folder.path()).await;
    let view = first.view();
    first.shutdown().await;
    // One that was signed while the clock was ahead is of no more use.
    for years in [[2020, 2021], [4000, 4001]] {
        let given = not_valid(&credentials, &view, years);
        let manager = started(folder.path(), &given).await;
        let shown = manager.credentials();
        assert_ne!(shown.certificate_pem, given.certificate_pem);
        assert_ne!(shown.key_pem, given.key_pem);
        let subject = Subject::of_pem(&shown.certificate_pem).unwrap();
        assert_eq!(
            (subject.node, subject.role, subject.cluster),
            (credentials.node, Role::Manager, credentials.cluster)
        );
        let life = Subject::validity(&shown.certificate_pem).unwrap();
        assert_eq!(life.not_after - life.not_before, 90 * 86_400 + 3_600);
        assert_eq!(shown.root_pem, credentials.root_pem);
        renews(&shown, &manager).await;
        manager.shutdown().await;

        let again = started(folder.path(), &shown).await;
        assert_eq!(again.credentials().certificate_pem, shown.certificate_pem, "it is good");
        again.shutdown().await;
    }
}

#[tokio::test]
async fn who_shows_a_certificate_that_has_ended_can_tell_why_it_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (manager, credentials) = bootstrap(folder.path()).await;
    let addr = manager.listen_addr();
    for years in [[2020, 2021], [4000, 4001]] {
        let given = not_valid(&credentials, &manager.view(), years);
        let refused = Member::first(&given, addr).try_agent("n1").await.err().unwrap();
        let words = peer::refused(&refused).unwrap_or_else(|| panic!("{refused:?}"));
        assert!(words.contains("NTP"), "{words}");
    }
    let unknown = join(addr, "no token").await.unwrap_err();
    assert_eq!(peer::refused(&unknown), None, "{unknown:?}");
    manager.shutdown().await;
}

#[tokio::test]
async fn a_survivor_whose_certificate_has_ended_goes_on_alone_with_another() {
    let folder = tempfile::tempdir().unwrap();
    let (first, credentials) = bootstrap(folder.path()).await;
    let given = ended(&credentials, &first.view());
    first.shutdown().await;
    let alone = Manager::force_new_cluster(config(folder.path()), given, None).await;
    let alone = alone.unwrap();
    renews(&alone.credentials(), &alone).await;
    alone.shutdown().await;
}

#[tokio::test]
async fn the_root_that_signs_now_signs_and_all_roots_are_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let (first, credentials) = bootstrap(folder.path()).await;
    let request = pb::RotateRootRequest {
        version: first.view().cluster().unwrap().version,
        ..pb::RotateRootRequest::default()
    };
    let rotated = operator(&first).await.rotate_root(request).await.unwrap().into_inner();
    let given = ended(&credentials, &first.view());
    first.shutdown().await;
    let manager = started(folder.path(), &given).await;
    let shown = manager.credentials();
    let issuer = peer::issuer(&shown.certificate_pem, &shown.root_pem).unwrap();
    assert_eq!(issuer, Some(rotated.root_digest));
    for root in [rotated.root_ca, rotated.next_root_ca.unwrap()] {
        peer::verify(&shown.certificate_pem, &root).unwrap();
        let digest = peer::digests(&root).unwrap().concat();
        assert!(peer::digests(&shown.root_pem).unwrap().contains(&digest));
    }
    manager.shutdown().await;
}

#[tokio::test]
async fn who_has_no_seat_in_the_state_that_it_has_signs_nothing() {
    let first = Seat::first().await;
    let late = Seat::joins(&first, Role::Worker).await;
    let view = first.with(ManagerHandle::view).await;
    let given = ended(&late.credentials, &view);
    // A member that was not told of anything yet has no key.
    let empty = Manager::join(late.config(), given.clone(), 9).await.unwrap();
    assert_eq!(empty.credentials().certificate_pem, given.certificate_pem);
    empty.shutdown().await;
    // The log of a manager, and a node that is none in it.
    let folder = tempfile::tempdir().unwrap();
    let params = InitParams::new();
    let (manager, credentials) = Manager::bootstrap(config(folder.path()), params).await.unwrap();
    let stranger = NodeCredentials {
        node: late.credentials.node,
        ..ended(&credentials, &manager.view())
    };
    manager.shutdown().await;
    let other = started(folder.path(), &stranger).await;
    assert_eq!(other.credentials().certificate_pem, stranger.certificate_pem);
    other.shutdown().await;
}

#[tokio::test]
async fn managers_whose_certificates_have_all_ended_come_to_a_majority_again() {
    let mut group = Group::of(3).await;
    let view = group.seats[0].with(ManagerHandle::view).await;
    for seat in &mut group.seats {
        seat.dies().await;
        seat.credentials = ended(&seat.credentials, &view);
    }
    let addrs: Vec<_> = group.seats.iter().map(|seat| seat.addr).collect();
    for seat in &mut group.seats {
        seat.returns(seat.addr, addrs.clone()).await;
    }
    let leader = group.leader().await;
    let mut control = group.seats[leader].control().await;
    control.create_network(network("blue")).await.unwrap();
    for seat in &group.seats {
        until("a session of every node", async || {
            let member = Member::first(&seat.credentials, group.seats[leader].addr);
            member.try_agent("n").await.ok().map(drop)
        })
        .await;
        until("the network on every manager", async || {
            let view = seat.with(ManagerHandle::view).await;
            view.network_named(&"blue".parse().unwrap()).map(drop)
        })
        .await;
    }
    group.end().await;
}
