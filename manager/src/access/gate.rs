//! The check before all services of the control port's server.

use std::{
    convert::Infallible,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use hyper::http::{Request, Response};
use tokio::time::timeout;
use tonic::{Status, body::Body};
use tower::{Layer, Service};
use wire::pb::{Access, control_server::SERVICE_NAME};

use super::{Caller, Roster, check, guard::Guarded};
use crate::{api::refusal, proposer::Proposer};

/// Time for a call of somebody who may be anybody: enough for managers that are about to agree on a leader.
const STRANGERS_TIME: Duration = Duration::from_secs(20);

/// Whether a method shows or changes the cluster's state, as operators do. What managers say to each other must be heard
/// while they do not agree.
fn is_of_cluster(path: &str) -> bool {
    path.strip_prefix('/')
        .and_then(|path| path.split_once('/'))
        .is_some_and(|(service, _)| service == SERVICE_NAME)
}

/// Puts [`check`] before all services of a server, and ends their streams when it does not hold any more.
#[derive(Clone)]
pub(crate) struct Gate {
    proposer: Proposer,
    roster: Roster,
}

impl Gate {
    pub(crate) fn new(proposer: Proposer) -> Self {
        let roster = Roster::follow(&proposer);
        Self { proposer, roster }
    }

    /// Waits until the caller may not call this any more, and says why.
    async fn lost(self, path: String, caller: Caller) -> Status {
        let mut roster = self.roster;
        loop {
            if let Err(why) = check(&path, &caller, &self.proposer.view()) {
                return why;
            }
            roster.changed().await;
        }
    }

    /// Whether the caller may call this in a state as new as any: it may have lost its rights by what this manager has not
    /// heard yet, and what it asks for now would be done on the state after that.
    async fn confirm(&self, path: &str, caller: &Caller) -> Result<(), Status> {
        let newest = self.proposer.read().await;
        check(path, caller, &newest.map_err(|why| refusal::unread(&why))?)
    }

    fn admit(&self, request: &Request<Body>) -> Result<Caller, Status> {
        let caller = request.extensions().get::<Caller>();
        let caller = caller.ok_or_else(|| Status::internal("a call without a connection"))?;
        check(request.uri().path(), caller, &self.proposer.view())?;
        Ok(*caller)
    }
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated {
            inner,
            gate: self.clone(),
        }
    }
}

/// See [`Gate`].
#[derive(Clone)]
pub(crate) struct Gated<S> {
    inner: S,
    gate: Gate,
}

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path().to_owned();
        let caller = match self.gate.admit(&request) {
            Ok(caller) => caller,
            Err(status) => return Box::pin(async move { Ok(status.into_http()) }),
        };
        if wire::access(&path) == Some(Access::Anyone) {
            return Box::pin(in_time(self.inner.call(request)));
        }
        let lost = || self.gate.clone().lost(path.clone(), caller);
        let request = request.map(|body| Body::new(Guarded::request(body, lost())));
        let ending = lost();
        // The clone has not been asked whether it is ready.
        let clone = self.inner.clone();
        let (mut inner, gate) = (std::mem::replace(&mut self.inner, clone), self.gate.clone());
        Box::pin(async move {
            if is_of_cluster(&path)
                && let Err(status) = gate.confirm(&path, &caller).await
            {
                return Ok(status.into_http());
            }
            let response = inner.call(request).await?;
            Ok(response.map(|body| Body::new(Guarded::response(body, ending))))
        })
    }
}

/// A call that takes too long, its request included, ends: nobody without a certificate keeps one open.
async fn in_time(call: impl Future<Output = Result<Response<Body>, Infallible>>) -> Result<Response<Body>, Infallible> {
    timeout(STRANGERS_TIME, call).await.unwrap_or_else(|_| {
        let seconds = STRANGERS_TIME.as_secs();
        Ok(Status::deadline_exceeded(format!("no answer within {seconds} s: try again")).into_http())
    })
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_of_anybody_ends() {
        let answered = in_time(ready(Ok(Response::default()))).await.unwrap();
        assert!(Status::from_header_map(answered.headers()).is_none());
        let ended = in_time(pending()).await.unwrap();
        let status = Status::from_header_map(ended.headers()).unwrap();
        assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
    }
}
