//! The whole matrix over real connections: every method of the service definitions, with every kind of certificate.

use std::{future::poll_fn, pin::Pin};

use hyper::{
    Request,
    body::{Body as _, Bytes},
};
use manager::ManagerHandle;
use model::{ClusterId, NodeId, Role};
use rcgen::{CertificateParams, DistinguishedName, DnType, Issuer, KeyPair, date_time_ymd};
use tonic::{Status, body::Body, transport::Channel};
use tower::{Service, ServiceExt};
use wire::pb::{self, Access};

use crate::node::{Member, bootstrap, channel, join, operator};

/// How a call ended, as far as rights go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// The service had it, whatever it made of it.
    Served,
    /// TLS refused the certificate.
    Handshake,
    NoCertificate,
    NotMember,
    NotManager,
    LocalOnly,
}

fn of_status(status: &Status) -> Ended {
    let text = status.message();
    [
        ("a certificate of this cluster is needed", Ended::NoCertificate),
        ("is not part of this swarm", Ended::NotMember),
        ("This node is not a swarm manager.", Ended::NotManager),
        ("is served on the local socket only", Ended::LocalOnly),
    ]
    .into_iter()
    .find(|(words, _)| text.contains(words))
    .map_or(Ended::Served, |(_, ended)| ended)
}

/// Calls a method with an empty message and looks at the beginning of the answer.
async fn call(mut channel: Channel, path: &str) -> Ended {
    let mut message = Some(Bytes::from_static(&[0; 5]));
    let body = futures::stream::poll_fn(move |_| std::task::Poll::Ready(message.take().map(Ok::<_, Status>)));
    let request = Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(Streamed(Box::pin(body))))
        .unwrap();
    let Ok(ready) = channel.ready().await else {
        return Ended::Handshake;
    };
    let Ok(response) = ready.call(request).await else {
        return Ended::Handshake;
    };
    let (head, mut body) = response.into_parts();
    if let Some(status) = Status::from_header_map(&head.headers) {
        return of_status(&status);
    }
    let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
    let trailers = frame.and_then(|frame| frame.ok()?.into_trailers().ok());
    let status = trailers.and_then(|trailers| Status::from_header_map(&trailers));
    status.map_or(Ended::Served, |status| of_status(&status))
}

struct Streamed<S>(Pin<Box<S>>);

impl<S: futures::Stream<Item = Result<Bytes, Status>>> hyper::body::Body for Streamed<S> {
    type Data = Bytes;
    type Error = Status;
    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Status>>> {
        let frame = self.0.as_mut().poll_next(context);
        frame.map(|item| item.map(|bytes| bytes.map(hyper::body::Frame::data)))
    }
}

/// A certificate that the cluster's authority (or `root`, another) could have signed.
struct Forged {
    node: NodeId,
    role: Role,
    cluster: ClusterId,
    /// Year of its end.
    until: i32,
}

fn sign(forged: &Forged, root: (&str, &str)) -> (String, String) {
    let issuer = Issuer::from_ca_cert_pem(root.0, KeyPair::from_pem(root.1).unwrap()).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let name = &mut params.distinguished_name;
    name.push(DnType::CommonName, forged.node.to_string());
    name.push(DnType::OrganizationalUnitName, forged.role.word());
    name.push(DnType::OrganizationName, forged.cluster.to_string());
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(forged.until, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn root(manager: &ManagerHandle) -> (String, String) {
    let view = manager.view();
    let cluster = view.cluster().unwrap();
    (cluster.root_ca.clone(), cluster.secrets.root_ca_key.clone())
}

/// What a caller of a kind meets, by what the method says of its callers.
fn expected(kind: &str, access: Access) -> Ended {
    let nodes_only = |otherwise| match access {
        Access::Anyone => Ended::Served,
        Access::Operator | Access::Unspecified => Ended::LocalOnly,
        Access::Node | Access::Itself | Access::Manager | Access::Peer => otherwise,
    };
    match kind {
        // Raft's own check follows, which tells those that are no members so.
        "unknown node" | "demoted manager" if access == Access::Peer => Ended::Served,
        "removed node" | "worker" if access == Access::Peer => Ended::NotManager,
        "other authority" | "expired" => Ended::Handshake,
        "none" => nodes_only(Ended::NoCertificate),
        "removed node" | "another cluster's id" | "unknown node" => nodes_only(Ended::NotMember),
        "manager" => nodes_only(Ended::Served),
        _ if access == Access::Manager => Ended::NotManager,
        _ => nodes_only(Ended::Served),
    }
}

#[tokio::test]
async fn each_method_serves_its_callers_and_nobody_else() {
    let (folder, other_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (manager, first) = bootstrap(folder.path()).await;
    let (other, _) = bootstrap(other_folder.path()).await;
    let addr = manager.listen_addr();
    let token = manager.join_token(Role::Worker).unwrap();
    let worker = join(addr, &token).await.unwrap();
    let removed = join(addr, &token).await.unwrap();
    let remove = pb::RemoveRequest {
        r#ref: removed.id.clone(),
        force: true,
        ..pb::RemoveRequest::default()
    };
    operator(&manager).await.remove_node(remove).await.unwrap();

    let (own_root, other_root) = (root(&manager), root(&other));
    let (own_root, other_root) = (
        (own_root.0.as_str(), own_root.1.as_str()),
        (other_root.0.as_str(), other_root.1.as_str()),
    );
    let forged = |node, role, cluster, until| Forged {
        node,
        role,
        cluster,
        until,
    };
    let worker_id: NodeId = worker.id.parse().unwrap();
    let shown = |member: &Member| Some((member.certificate.clone(), member.key.clone()));
    let made = |forged: Forged, root| Some(sign(&forged, root));
    let callers = [
        ("none", None),
        (
            "other authority",
            made(forged(first.node, Role::Manager, first.cluster, 2099), other_root),
        ),
        (
            "expired",
            made(forged(first.node, Role::Manager, first.cluster, 2021), own_root),
        ),
        (
            "unknown node",
            made(
                forged(NodeId::from_bits(77), Role::Manager, first.cluster, 2099),
                own_root,
            ),
        ),
        (
            "another cluster's id",
            made(
                forged(first.node, Role::Manager, ClusterId::from_bits(77), 2099),
                own_root,
            ),
        ),
        ("removed node", shown(&removed)),
        ("worker", shown(&worker)),
        (
            "demoted manager",
            made(forged(worker_id, Role::Manager, first.cluster, 2099), own_root),
        ),
        ("manager", Some((first.certificate_pem.clone(), first.key_pem.clone()))),
    ];
    for (kind, shown) in callers {
        let pair = shown
            .as_ref()
            .map(|(certificate, key)| (certificate.as_str(), key.as_str()));
        for (path, access) in wire::METHODS {
            let ended = match channel(addr, pair).await {
                Ok(channel) => call(channel, path).await,
                Err(_) => Ended::Handshake,
            };
            assert_eq!(ended, expected(kind, *access), "{path} by {kind}");
        }
    }
    manager.shutdown().await;
    other.shutdown().await;
}
