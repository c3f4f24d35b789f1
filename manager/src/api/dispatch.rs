//! What nodes call: sessions, renewals, leaving. The node is the one in the certificate, whatever the message says.

use model::{NodeState, NodeTrust, Role};
use store::{Command, View};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, async_trait};
use wire::pb::{self, dispatcher_server};

use super::{Api, admission, refusal};
use peer::Subject;

use crate::{
    access::{Caller, not_part},
    mint,
};

/// Roots that a node may say it trusts.
const MAX_ROOTS: usize = 8;

fn caller<T>(request: &Request<T>) -> Result<(Caller, Subject), Status> {
    let caller = request.extensions().get::<Caller>().copied();
    let subject = caller.and_then(|caller| caller.subject);
    caller
        .zip(subject)
        .ok_or_else(|| Status::unauthenticated("a certificate of this cluster is needed: join first"))
}

/// The digests of the roots that a node has: the cluster's, and one that takes its place, or was to.
fn known_roots(digests: Vec<String>) -> Result<Vec<String>, Status> {
    let is_digest = |text: &String| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digests.len() > MAX_ROOTS || !digests.iter().all(is_digest) {
        let words = format!("a node names the SHA-256 digests of at most {MAX_ROOTS} roots, in hex");
        return Err(Status::invalid_argument(words));
    }
    Ok(digests)
}

/// The role of the state: a demoted manager that raft has let go does not renew itself back. A node that was removed
/// has none, though the state of this manager may not have known that when the call came.
fn role(view: &View, subject: &Subject) -> Result<Role, Status> {
    let node = view.node(subject.node).ok_or_else(|| not_part(subject))?;
    Ok(node.role())
}

#[async_trait]
impl dispatcher_server::Dispatcher for Api {
    type SessionStream = ReceiverStream<Result<pb::SessionDown, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<pb::SessionUp>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let (caller, subject) = caller(&request)?;
        let down = self
            .dispatcher
            .open(subject.node, caller.from.ip(), request.into_inner());
        Ok(Response::new(ReceiverStream::new(down)))
    }

    async fn renew_certificate(
        &self,
        request: Request<pb::RenewCertificateRequest>,
    ) -> Result<Response<pb::IssueCertificateResponse>, Status> {
        let (_, subject) = caller(&request)?;
        let view = self.read().await?;
        let authority = Self::authority(&view)?;
        let subject = Subject {
            role: role(&view, &subject)?,
            cluster: authority.cluster,
            ..subject
        };
        let signed = authority.sign(&request.into_inner().csr_pem, subject, mint::now());
        let certificate_pem = signed.map_err(|why| admission::uncertified(&why))?;
        Ok(Response::new(admission::issued(
            certificate_pem,
            subject,
            authority.bundle,
        )))
    }

    async fn confirm_trust(
        &self,
        request: Request<pb::ConfirmTrustRequest>,
    ) -> Result<Response<pb::ConfirmTrustResponse>, Status> {
        let (_, subject) = caller(&request)?;
        let request = request.into_inner();
        let unfit = |why: peer::PeerError| Status::invalid_argument(why.to_string());
        let certified = Subject::of_pem(&request.certificate_pem).map_err(unfit)?;
        if certified.node != subject.node {
            return Err(Status::permission_denied("a node confirms its own certificate only"));
        }
        let authority = Self::authority(&self.proposer.view())?;
        let issuer = peer::issuer(&request.certificate_pem, &authority.bundle).map_err(unfit)?;
        let trust = NodeTrust {
            issuer: issuer.unwrap_or_default(),
            roots: known_roots(request.roots)?,
        };
        let confirmed = self.proposer.propose(Command::NodeTrust {
            id: subject.node,
            trust: Box::new(trust),
        });
        confirmed.await.map_err(|why| refusal::unproposed(&why))?;
        Ok(Response::new(pb::ConfirmTrustResponse {}))
    }

    async fn publish_logs(
        &self,
        request: Request<Streaming<pb::LogBatch>>,
    ) -> Result<Response<pb::PublishLogsResponse>, Status> {
        let (_, subject) = caller(&request)?;
        self.desk.take(subject.node, request.into_inner()).await?;
        Ok(Response::new(pb::PublishLogsResponse {}))
    }

    async fn leave(
        &self,
        request: Request<pb::LeaveClusterRequest>,
    ) -> Result<Response<pb::LeaveClusterResponse>, Status> {
        let (_, subject) = caller(&request)?;
        self.dispatcher.close(subject.node);
        let down = Command::NodeStatus {
            id: subject.node,
            at: mint::now(),
            state: NodeState::Down,
            message: "left the swarm".to_owned(),
        };
        self.proposer
            .propose(down)
            .await
            .map_err(|why| refusal::unproposed(&why))?;
        Ok(Response::new(pb::LeaveClusterResponse {}))
    }
}

#[cfg(test)]
mod tests {
    use model::{ClusterId, NodeId, Timestamp};

    use super::*;

    #[test]
    fn a_node_that_was_removed_is_certified_nothing() {
        let (id, at) = (NodeId::from_bits(1), Timestamp(1));
        let subject = Subject {
            node: id,
            role: Role::Manager,
            cluster: ClusterId::from_bits(1),
        };
        let mut state = View::default();
        let join = Command::join(id, at, Role::Worker, [192, 0, 2, 1].into());
        state.apply_draft(join).unwrap();
        assert_eq!(role(&state, &subject).unwrap(), Role::Worker);
        let force = true;
        state.apply_draft(Command::RemoveNode { id, at, force }).unwrap();
        let refused = role(&state, &subject).unwrap_err();
        assert_eq!(refused.code(), tonic::Code::PermissionDenied, "{refused}");
    }
}
