//! The gRPC services, one per file. They check and translate, plan with `control` and propose; nothing is decided here.

mod admission;
mod backup;
mod cluster;
mod control;
mod dispatch;
mod logs;
mod members;
mod network;
mod node;
mod payload;
mod queue;
mod raft;
pub(crate) mod refusal;
mod service;
mod task;
mod token;
mod watch;
mod why;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use ::control::JoinAttempts;
use model::{NodeId, RequestId};
use store::{Refused, View};
use tonic::{Status, service::Routes};
use wire::pb::{
    self, admission_server::AdmissionServer, control_server::ControlServer, dispatcher_server::DispatcherServer,
    raft_transport_server::RaftTransportServer,
};

pub use self::admission::answer_to_join;
pub(crate) use self::queue::Queue;
use crate::{ca::Authority, dispatcher::Dispatcher, logs::Desk, mint, peers::Peers, proposer::Proposer};

/// Bytes of one message of an operator or another manager.
const MAX_MESSAGE_BYTES: usize = 64 << 20;
/// Bytes of one message of a node; the reports of ten thousand tasks are half of that.
const MAX_NODE_MESSAGE_BYTES: usize = 4 << 20;

/// Bytes of one message of somebody who is no node yet: a token, a signing request, an address.
const MAX_STRANGERS_MESSAGE_BYTES: usize = 16 << 10;

/// What the services share; cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) proposer: Proposer,
    /// The node that answers.
    pub(crate) node: NodeId,
    /// Where others reach this manager.
    pub(crate) advertise_addr: SocketAddr,
    pub(crate) dispatcher: Dispatcher,
    /// Where changes are planned.
    pub(crate) queue: Queue,
    /// The way to other managers.
    pub(crate) peers: Peers,
    /// The failed attempts to join of late. Held for an instant only.
    pub(crate) attempts: Arc<Mutex<JoinAttempts>>,
    /// The logs that are read.
    pub(crate) desk: Desk,
    /// Becomes true when this manager ends.
    pub(crate) stopping: tokio::sync::watch::Receiver<bool>,
}

impl Api {
    /// The cluster's API alone, for a socket whose callers have every right.
    pub(crate) fn local_routes(&self) -> Routes {
        Routes::new(self.control())
    }

    /// Everything that the control port serves; behind [`crate::access::Gate`] only.
    pub(crate) fn routes(&self) -> Routes {
        let raft = RaftTransportServer::new(self.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let dispatcher = DispatcherServer::new(self.clone()).max_decoding_message_size(MAX_NODE_MESSAGE_BYTES);
        let admission = AdmissionServer::new(self.clone()).max_decoding_message_size(MAX_STRANGERS_MESSAGE_BYTES);
        Routes::new(self.control())
            .add_service(admission)
            .add_service(dispatcher)
            .add_service(raft)
    }

    fn control(&self) -> ControlServer<Self> {
        ControlServer::new(self.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    async fn read(&self) -> Result<View, Status> {
        self.proposer.read().await.map_err(|why| refusal::unread(&why))
    }

    /// Who signs, and what nodes are to trust.
    fn authority(view: &View) -> Result<Authority, Status> {
        Authority::of(view).ok_or_else(|| refusal::refused(&Refused::NoCluster))
    }
}

/// A caller's request id; callers that do not repeat need not give one.
fn request_id(text: &str) -> Result<RequestId, Status> {
    if text.is_empty() {
        return Ok(mint::request());
    }
    text.parse().map_err(|why: model::Invalid| refusal::invalid(&why))
}

/// How a removal ended that was carried out before. Who repeats one is told that before anything is looked up: what it
/// spoke of has gone with it. What it was called stands for its id, which nobody knows any more.
fn removed_before(view: &View, request: RequestId, what: &str) -> Option<Result<pb::RemoveResponse, Status>> {
    let outcome = view.outcome(request)?;
    let answer = outcome.map(|()| pb::RemoveResponse { id: what.to_owned() });
    Some(answer.map_err(|why| refusal::refused(&why)))
}
