//! The gRPC services, one per file. They check and translate, plan with `control` and propose; nothing is decided here.

mod admission;
mod backup;
mod cluster;
mod control;
mod dispatch;
mod members;
mod network;
mod node;
mod raft;
mod refusal;
mod service;
mod task;
mod token;
mod watch;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use ::control::JoinAttempts;
use model::{NodeId, RequestId};
use store::{Command, Refused, View};
use tonic::{Status, service::Routes};
use wire::pb::{
    admission_server::AdmissionServer, control_server::ControlServer, dispatcher_server::DispatcherServer,
    raft_transport_server::RaftTransportServer,
};

use crate::{ca::Authority, dispatcher::Dispatcher, mint, peers::Peers, proposer::Proposer, raft::ProposeError};

/// Bytes of one message to or from a manager; a node's status batch or a service's spec stays far below.
const MAX_MESSAGE_BYTES: usize = 64 << 20;
/// How often a request is planned anew because what it wanted was taken meanwhile. Requests that race for the next address
/// of one network lose to each other and to the tasks that they lead to; in each round one of them wins.
const MAX_RACES: u32 = 64;

/// What the services share; cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) proposer: Proposer,
    /// The node that answers.
    pub(crate) node: NodeId,
    /// Where others reach this manager.
    pub(crate) advertise_addr: SocketAddr,
    pub(crate) dispatcher: Dispatcher,
    /// The way to other managers.
    pub(crate) peers: Peers,
    /// The failed attempts to join of late. Held for an instant only.
    pub(crate) attempts: Arc<Mutex<JoinAttempts>>,
}

impl Api {
    /// The cluster's API alone, for a socket whose callers have every right.
    pub(crate) fn local_routes(&self) -> Routes {
        Routes::new(self.control())
    }

    /// Everything that the control port serves; behind [`crate::access::Gate`] only.
    pub(crate) fn routes(&self) -> Routes {
        let raft = RaftTransportServer::new(self.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let dispatcher = DispatcherServer::new(self.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        Routes::new(self.control())
            .add_service(AdmissionServer::new(self.clone()))
            .add_service(dispatcher)
            .add_service(raft)
    }

    fn control(&self) -> ControlServer<Self> {
        ControlServer::new(self.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    async fn read(&self) -> Result<View, Status> {
        self.proposer.read().await.map_err(|why| refusal::unread(&why))
    }

    /// Plans a change on a fresh view, proposes it and returns the state that has it. A repeated request gets the first
    /// outcome; a race lost to another request is planned anew, under an id derived from the request's.
    async fn change(
        &self,
        request: RequestId,
        plan: impl Fn(&View) -> Result<Command, Refused> + Send + Sync,
    ) -> Result<View, Status> {
        let mut view = self.read().await?;
        for race in 0..MAX_RACES {
            let id = attempt(request, race);
            let again = race + 1 < MAX_RACES;
            match view.outcome(id) {
                Some(Ok(())) => return Ok(view),
                Some(Err(why)) if why.is_race() && again => continue,
                Some(Err(why)) => return Err(refusal::refused(&why)),
                None => {}
            }
            let command = plan(&view).map_err(|why| refusal::refused(&why))?;
            match self.proposer.propose_as(id, command).await {
                Ok(applied) => return Ok(applied.view),
                Err(ProposeError::Refused(why)) if why.is_race() && again => view = self.read().await?,
                Err(why) => return Err(refusal::unproposed(&why)),
            }
        }
        Err(Status::aborted(
            "others changed the same objects at the same time: try again",
        ))
    }

    /// Who signs, and what nodes are to trust.
    fn authority(view: &View) -> Result<Authority, Status> {
        Authority::of(view).ok_or_else(|| refusal::refused(&Refused::NoCluster))
    }
}

/// The id of a request's n-th attempt.
fn attempt(request: RequestId, race: u32) -> RequestId {
    match race {
        0 => request,
        _ => RequestId::from_bits(mint::object_of(request, &format!("attempt {race}"))),
    }
}

/// A caller's request id; callers that do not repeat need not give one.
fn request_id(text: &str) -> Result<RequestId, Status> {
    if text.is_empty() {
        return Ok(mint::request());
    }
    text.parse().map_err(|why: model::Invalid| refusal::invalid(&why))
}
