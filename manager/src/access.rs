//! Who may call what: one table for the control port, checked before a call reaches its service.
//!
//! A caller is whoever the certificate says, if that node is still part of the cluster and has that role in its state:
//! a removed node loses its rights at once, not when its certificate ends. Addresses play no part.

use std::{
    convert::Infallible,
    net::SocketAddr,
    task::{Context, Poll},
};

use futures::future::{Either, Ready, ready};
use hyper::http::{Request, Response};
use model::Role;
use store::View;
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use peer::Subject;

use crate::proposer::Proposer;

/// Who is at the other end of a connection to the control port.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// Address that the connection comes from; for logs and as a node's address, never for rights.
    pub from: SocketAddr,
    /// Who it is; `None` without a certificate of this cluster.
    pub subject: Option<Subject>,
}

/// What a method asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Anybody, certificate or not.
    Anyone,
    /// A node of the cluster; the method acts for that node only.
    Node,
    /// A manager of the cluster.
    Manager,
}

/// The table. What is not in it, nobody may call.
const RULES: [(&str, Rule); 20] = [
    ("/netctl.v1.Admission/RootCertificate", Rule::Anyone),
    ("/netctl.v1.Admission/IssueCertificate", Rule::Anyone),
    ("/netctl.v1.Dispatcher/Session", Rule::Node),
    ("/netctl.v1.Dispatcher/RenewCertificate", Rule::Node),
    ("/netctl.v1.Dispatcher/Leave", Rule::Node),
    ("/netctl.v1.RaftTransport/Send", Rule::Manager),
    ("/netctl.v1.Control/CreateNetwork", Rule::Manager),
    ("/netctl.v1.Control/ListNetworks", Rule::Manager),
    ("/netctl.v1.Control/RemoveNetwork", Rule::Manager),
    ("/netctl.v1.Control/CreateService", Rule::Manager),
    ("/netctl.v1.Control/UpdateService", Rule::Manager),
    ("/netctl.v1.Control/ListServices", Rule::Manager),
    ("/netctl.v1.Control/RemoveService", Rule::Manager),
    ("/netctl.v1.Control/ListTasks", Rule::Manager),
    ("/netctl.v1.Control/ListNodes", Rule::Manager),
    ("/netctl.v1.Control/UpdateNode", Rule::Manager),
    ("/netctl.v1.Control/RemoveNode", Rule::Manager),
    ("/netctl.v1.Control/GetJoinToken", Rule::Manager),
    ("/netctl.v1.Control/GetCluster", Rule::Manager),
    ("/netctl.v1.Control/UpdateCluster", Rule::Manager),
];

const NOT_A_MANAGER: &str = "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager.";

/// Checks one call.
pub(crate) fn check(path: &str, caller: &Caller, view: &View) -> Result<(), Status> {
    let rule = RULES.iter().find(|(known, _)| *known == path).map(|(_, rule)| *rule);
    let rule = rule.ok_or_else(|| Status::unimplemented(format!("{path} is not known to this manager")))?;
    if rule == Rule::Anyone {
        return Ok(());
    }
    let subject = caller
        .subject
        .ok_or_else(|| Status::unauthenticated("a certificate of this cluster is needed: join first"))?;
    let of_cluster = view.cluster().is_some_and(|cluster| cluster.id == subject.cluster);
    let node = view.node(subject.node).filter(|_| of_cluster).ok_or_else(|| {
        Status::permission_denied(format!("node {} is not part of this swarm (any more)", subject.node))
    })?;
    match rule {
        Rule::Manager if subject.role == Role::Manager && node.spec.role == Role::Manager => Ok(()),
        Rule::Manager => Err(Status::permission_denied(NOT_A_MANAGER)),
        Rule::Anyone | Rule::Node => Ok(()),
    }
}

/// Puts [`check`] before all services of a server.
#[derive(Clone)]
pub(crate) struct Gate(pub(crate) Proposer);

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated {
            inner,
            proposer: self.0.clone(),
        }
    }
}

/// See [`Gate`].
#[derive(Clone)]
pub(crate) struct Gated<S> {
    inner: S,
    proposer: Proposer,
}

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response<Body>, Infallible>>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let verdict = match request.extensions().get::<Caller>() {
            Some(caller) => check(request.uri().path(), caller, &self.proposer.view()),
            None => Err(Status::internal("a call without a connection")),
        };
        match verdict {
            Ok(()) => Either::Right(self.inner.call(request)),
            Err(status) => Either::Left(ready(Ok(status.into_http()))),
        }
    }
}

#[cfg(test)]
mod tests;
