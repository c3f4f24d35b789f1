//! The node's session with the managers: says what the node is, beats, reports task statuses, receives views.
//!
//! Any manager may be asked; the leader is preferred once it is known (`course`). A lost session is opened again, with
//! backoff; meanwhile the node goes on with the last view, which is also on its disk. A new session goes on from there:
//! the node says which view it has, and hears what changed (`follower`).

mod clock;
mod course;
pub mod describe;
mod dial;
pub mod ends;
mod follower;
mod line;
pub mod saved;

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

use model::{NodeDescription, NodeId, NodeView, Role, Seat, TaskId, Timestamp};
use peer::Hints;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Channel};
use wire::pb::{self, dispatcher_client::DispatcherClient, session_up};

use self::{
    course::{Call, Course, Outcome},
    follower::Follower,
    line::Line,
};
use crate::{
    identity::{self, Identity},
    runtime::Runtime,
    worker::{CurrentView, Statuses, now},
};

/// Version of the session's protocol.
const FORMAT: u32 = 2;
/// Before what could not be written to the disk is tried again: it may have room by then.
const WRITE_AGAIN: Duration = Duration::from_secs(5);
/// Before managers are looked for again where none is known.
const NOBODY: Duration = Duration::from_secs(1);
/// A manager that accepts a session welcomes it within this.
const WELCOME: Duration = Duration::from_secs(3);

/// A manager as nodes reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager {
    /// `HOST:PORT` of its control port.
    pub addr: String,
    /// Leads, as far as is known.
    pub leader: bool,
    /// Its raft id and node, as a manager said; `None` for an address that is known otherwise.
    pub member: Option<(u64, NodeId)>,
}

impl Manager {
    /// One of which no more than the address is known.
    pub fn at(addr: String) -> Self {
        Self {
            addr,
            leader: false,
            member: None,
        }
    }
}

/// What the managers want this node to have of the cluster's authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Roots to trust, PEM.
    pub roots_pem: String,
    /// Digest of the root that should have signed the node's certificate: SHA-256 of its DER bytes, hex.
    pub issuer: String,
    /// The managers know that it is so.
    pub confirmed: bool,
    /// A renewal begins anywhere within this.
    pub spread: Duration,
}

/// What the managers want this node to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calling {
    /// The role that its certificate should have.
    pub role: Role,
    /// Which manager it shall run, if any.
    pub seat: Seat,
}

/// How the session is, for `status`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionState {
    /// The manager that it is with.
    pub manager: Option<String>,
    /// Why there is none, in words.
    pub error: String,
    /// Since when there is none; `None` with a manager.
    pub since: Option<Timestamp>,
    /// How far this host's clock is off the manager's, in words; empty while they agree.
    pub clock: String,
    /// How often this node's view had drifted from what the managers had told, and was sent anew.
    pub repairs: u64,
}

/// Where the session gets what it sends and leaves what it receives.
pub struct Ports {
    /// Where others reach this node.
    pub addr: SocketAddr,
    /// Where managers may be, besides those that are known.
    pub hints: Hints,
    /// What the managers want it to be.
    pub calling: watch::Sender<Option<Calling>>,
    /// Who this node is; changes when its certificate is renewed.
    pub identity: watch::Receiver<Identity>,
    /// Where the logs of its tasks are read.
    pub engine: Arc<dyn Runtime>,
    /// What it should have of the cluster's authority, as the managers say.
    pub trust: watch::Sender<Option<Trust>>,
    /// What it is; changes are sent.
    pub description: watch::Receiver<Option<NodeDescription>>,
    /// Statuses of its tasks, as they may be told.
    pub statuses: watch::Receiver<Statuses>,
    /// Sequence number of the last view that the kernel has.
    pub applied: watch::Receiver<u64>,
    /// Views received.
    pub views: watch::Sender<Option<CurrentView>>,
    /// Tasks of the last view that may be stopped.
    pub released: watch::Sender<BTreeSet<TaskId>>,
    /// Tasks whose ended containers are kept.
    pub kept: watch::Receiver<BTreeSet<TaskId>>,
    /// Those of them that the managers have forgotten.
    pub forgotten: watch::Sender<BTreeSet<TaskId>>,
    /// Known managers; updated from what they say.
    pub managers: watch::Sender<Vec<Manager>>,
    /// How it goes.
    pub state: watch::Sender<SessionState>,
}

/// Keeps a session until the handle is aborted.
pub fn spawn(ports: Ports) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut course = Course::default();
        loop {
            let calls = course.round(&candidates(&ports));
            if calls.is_empty() {
                tokio::time::sleep(NOBODY).await;
                continue;
            }
            let Err(ended) = once(&ports, calls, &mut course).await;
            let Ended { addr, outcome, reason } = ended.explained(&ports.identity.borrow());
            // Hours without managers are told once.
            match ports.state.borrow().error == reason {
                true => tracing::debug!(manager = %addr, %reason, "no session"),
                false => tracing::warn!(manager = %addr, %reason, "no session"),
            }
            ports.state.send_modify(|state| {
                state.manager = None;
                state.error = reason;
                state.since.get_or_insert_with(now);
            });
            tokio::time::sleep(course.ended(&addr, outcome)).await;
        }
    })
}

/// Those that are known, then those that there may be. A manager's node asks its own as well: the list that it was told
/// may be from before the managers moved, and would lead nowhere for ever.
fn candidates(ports: &Ports) -> Vec<Manager> {
    let mut all = ports.managers.borrow().clone();
    let own = (ports.identity.borrow().role == Role::Manager).then(|| ports.addr.to_string());
    for addr in ports.hints.now().into_iter().chain(own) {
        if all.iter().all(|manager| manager.addr != addr) {
            all.push(Manager::at(addr));
        }
    }
    all
}

/// Why a session ended; it never does so by itself.
struct Ended {
    addr: String,
    outcome: Outcome,
    reason: String,
}

impl Ended {
    fn early(addr: &str, reason: impl ToString) -> Self {
        Self {
            addr: addr.to_owned(),
            outcome: Outcome::default(),
            reason: reason.to_string(),
        }
    }

    /// A manager that refuses the node's certificate does not say so in words.
    fn explained(self, identity: &Identity) -> Self {
        match identity.not_in_force(identity::now()) {
            Some(why) if !self.outcome.welcomed => Self {
                reason: format!("{why} ({})", self.reason),
                ..self
            },
            _ => self,
        }
    }
}

async fn once(ports: &Ports, calls: Vec<Call>, course: &mut Course) -> Result<std::convert::Infallible, Ended> {
    let mut description = ports.description.clone();
    let waits = description.wait_for(Option::is_some).await.map(drop);
    waits.map_err(|ends| Ended::early("", ends))?;
    let described = description.borrow_and_update().clone();
    let identity = ports.identity.borrow().clone();
    let connect = |addr: String| {
        let identity = &identity;
        async move { identity.connect(&addr).await.map_err(|why| why.to_string()) }
    };
    let dialled = dial::first(calls, connect).await;
    dialled.failed.iter().for_each(|(addr, _)| course.doubt(addr));
    let Some((addr, channel)) = dialled.taken else {
        let (addr, reason) = dialled.failed.into_iter().next_back().unwrap_or_default();
        return Err(Ended::early(&addr, reason));
    };
    let view = ports.views.borrow().as_ref().map(|current| current.view.clone());
    let follower = Follower::starting(view);
    let (up, down) = open(channel, described, ports.addr, &follower)
        .await
        .map_err(|status| Ended::early(&addr, peer::refused(&status).unwrap_or(status.message())))?;
    Line::new(ports, &addr, (up, down), follower, description).run().await
}

type Up = mpsc::Sender<pb::SessionUp>;
type Down = Streaming<pb::SessionDown>;

async fn open(
    channel: Channel,
    description: Option<NodeDescription>,
    addr: SocketAddr,
    follower: &Follower,
) -> Result<(Up, Down), tonic::Status> {
    let (up, stream) = mpsc::channel(16);
    let (seq, checksum) = follower.known();
    let hello = pb::Hello {
        format: FORMAT,
        description: description.map(Into::into),
        seq,
        checksum,
        addr: addr.to_string(),
    };
    // The channel is empty and open: its receiver is the next line's.
    let _ = up.send(message(session_up::Message::Hello(hello))).await;
    let opening = async {
        let mut client = DispatcherClient::new(channel).max_decoding_message_size(VIEW_LIMIT);
        Ok(client.session(ReceiverStream::new(stream)).await?.into_inner())
    };
    let down = tokio::time::timeout(WELCOME, opening)
        .await
        .unwrap_or_else(|_| Err(tonic::Status::deadline_exceeded("the manager does not answer")))?;
    Ok((up, down))
}

/// Largest message that a manager may send, bytes: a view of a very large cluster.
const VIEW_LIMIT: usize = 256 << 20;

fn message(message: session_up::Message) -> pb::SessionUp {
    pb::SessionUp { message: Some(message) }
}

/// Checks a view before anything acts on it.
fn checked(view: pb::NodeView, identity: &Identity) -> Result<NodeView, String> {
    let view = NodeView::try_from(view).map_err(|e| format!("malformed view: {e}"))?;
    if (view.node, view.cluster) != (identity.node, identity.cluster) {
        return Err(format!("view is for node {} of cluster {}", view.node, view.cluster));
    }
    Ok(view)
}

#[cfg(test)]
mod tests;
