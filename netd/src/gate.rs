//! The local socket's door to the cluster's API: open while this node is a manager, else closed with the reason in
//! docker's words. The daemon opens and closes it; calls that are under way when it closes go on to their end.

use std::{
    borrow::Cow,
    convert::Infallible,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::{sync::watch, time::timeout};
use tonic::{
    Status,
    body::Body,
    codegen::{Service, http},
    server::NamedService,
    service::Routes,
};
use wire::pb::control_server::SERVICE_NAME;

/// What docker says on a node that is in no swarm.
pub const INACTIVE: &str = "This node is not a swarm manager. Use \"netctl swarm init\" or \"netctl swarm join\" to \
                            connect this node to swarm and try again.";
/// What docker says on a worker.
pub const WORKER: &str = "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. \
                          Please run this command on a manager node or promote the current node to a manager.";

/// What docker says on a manager that waits for its unlock key.
pub const LOCKED: &str = "Swarm is encrypted and needs to be unlocked before it can be used. Please use \"netctl swarm \
                          unlock\" to unlock it.";

const STARTING: &str = "This node is still taking its place in the swarm: try again in a moment.";
/// How long a call waits for a node that starts.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a node says that is in a swarm and could not take its place there.
pub fn failed(why: &str) -> Door {
    Door::Closed(format!("This node could not take its place in the swarm: {why}").into())
}

/// Whether the API is there, and if not why not.
#[derive(Clone)]
pub enum Door {
    /// This node is a manager.
    Open(Routes),
    /// The daemon has just begun and the node is about to take its place: wait.
    Opening,
    /// It is not; this is what to say.
    Closed(Cow<'static, str>),
}

/// The service behind every path of the cluster's API.
#[derive(Clone)]
pub struct Gate(watch::Receiver<Door>);

impl Gate {
    /// A gate that follows `door`.
    pub fn new(door: watch::Receiver<Door>) -> Self {
        Self(door)
    }
}

impl NamedService for Gate {
    const NAME: &'static str = SERVICE_NAME;
}

impl Service<http::Request<Body>> for Gate {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let mut door = self.0.clone();
        Box::pin(async move {
            let settled = door.wait_for(|door| !matches!(door, Door::Opening));
            let door = match timeout(PATIENCE, settled).await {
                Ok(Ok(door)) => door.clone(),
                _ => Door::Opening,
            };
            match door {
                Door::Opening => Ok(Status::unavailable(STARTING).into_http()),
                Door::Open(mut routes) => match routes.call(request).await {
                    Ok(response) => Ok(response.map(Body::new)),
                    Err(never) => match never {},
                },
                Door::Closed(why) => Ok(Status::unavailable(why.into_owned()).into_http()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answer(gate: &Gate) -> String {
        let response = gate.clone().call(http::Request::new(Body::empty())).await;
        let Ok(response) = response;
        response.headers()["grpc-message"].to_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn a_closed_door_says_why() {
        let (_door, gate) = watch::channel(Door::Closed("because".into()));
        assert_eq!(answer(&Gate::new(gate)).await, "because");
    }

    #[tokio::test(start_paused = true)]
    async fn a_door_that_opens_is_waited_for_but_not_for_ever() {
        let (door, gate) = watch::channel(Door::Opening);
        let gate = Gate::new(gate);
        assert!(answer(&gate).await.contains("try%20again"));
        let (waited, ()) = tokio::join!(answer(&gate), async {
            door.send_replace(Door::Closed("settled".into()));
        });
        assert_eq!(waited, "settled");
    }
}
