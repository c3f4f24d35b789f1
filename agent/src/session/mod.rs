//! The node's session with the managers: says what the node is, beats, reports task statuses, receives views.
//!
//! Any manager may be asked; the leader is preferred once it is known. A lost session is opened again, with backoff;
//! meanwhile the node goes on with the last view, which is also on its disk.

pub mod describe;
mod line;
pub mod saved;

use std::{sync::Arc, time::Duration};

use model::{NodeDescription, NodeView, Timestamp};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Channel};
use wire::pb::{self, dispatcher_client::DispatcherClient, session_up};

use self::line::Line;
use crate::{
    identity::Identity,
    worker::{CurrentView, Statuses, now},
};

/// Version of the session's protocol.
const FORMAT: u32 = 1;
/// First and longest wait before the next attempt.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// A manager that accepts a session welcomes it within this.
const WELCOME: Duration = Duration::from_secs(5);

/// A manager as nodes reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager {
    /// `HOST:PORT` of its control port.
    pub addr: String,
    /// Leads, as far as is known.
    pub leader: bool,
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
}

/// Where the session gets what it sends and leaves what it receives.
pub struct Ports {
    /// Who this node is; changes when its certificate is renewed.
    pub identity: watch::Receiver<Identity>,
    /// What it is; changes are sent.
    pub description: watch::Receiver<Option<NodeDescription>>,
    /// Statuses of its tasks.
    pub statuses: watch::Receiver<Statuses>,
    /// Sequence number of the last view that the kernel has.
    pub applied: watch::Receiver<u64>,
    /// Views received.
    pub views: watch::Sender<Option<CurrentView>>,
    /// Known managers; updated from what they say.
    pub managers: watch::Sender<Vec<Manager>>,
    /// How it goes.
    pub state: watch::Sender<SessionState>,
}

/// Keeps a session until the handle is aborted.
pub fn spawn(ports: Ports) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut backoff = BACKOFF.0;
        for attempt in 0usize.. {
            let candidate = candidate(&ports.managers.borrow(), attempt);
            let Some(addr) = candidate else {
                tokio::time::sleep(BACKOFF.1).await;
                continue;
            };
            let Err(Ended { welcomed, reason }) = once(&ports, &addr).await;
            // Hours without managers are told once.
            match ports.state.borrow().error == reason {
                true => tracing::debug!(manager = %addr, %reason, "no session"),
                false => tracing::warn!(manager = %addr, %reason, "no session"),
            }
            ports.state.send_modify(|state| {
                *state = SessionState {
                    manager: None,
                    error: reason,
                    since: state.since.or(Some(now())),
                };
            });
            backoff = if welcomed {
                BACKOFF.0
            } else {
                (backoff * 2).min(BACKOFF.1)
            };
            tokio::time::sleep(backoff).await;
        }
    })
}

/// The leader on every other attempt, the managers in turn on the others: what is known of the leader may be stale.
fn candidate(managers: &[Manager], attempt: usize) -> Option<String> {
    let leader = managers.iter().find(|m| m.leader).filter(|_| attempt.is_multiple_of(2));
    let in_turn = || managers.get(attempt / 2 % managers.len().max(1));
    leader.or_else(in_turn).map(|m| m.addr.clone())
}

/// Why a session ended; it never does so by itself.
struct Ended {
    welcomed: bool,
    reason: String,
}

impl Ended {
    fn early(reason: impl ToString) -> Self {
        Self {
            welcomed: false,
            reason: reason.to_string(),
        }
    }
}

async fn once(ports: &Ports, addr: &str) -> Result<std::convert::Infallible, Ended> {
    let mut description = ports.description.clone();
    description.wait_for(Option::is_some).await.map_err(Ended::early)?;
    let described = description.borrow().clone();
    let identity = ports.identity.borrow().clone();
    let channel = identity.connect(addr).await.map_err(Ended::early)?;
    let (up, down) = open(channel, described).await.map_err(|s| Ended::early(s.message()))?;
    Line::new(ports, addr, up, down).run().await
}

type Up = mpsc::Sender<pb::SessionUp>;
type Down = Streaming<pb::SessionDown>;

async fn open(channel: Channel, description: Option<NodeDescription>) -> Result<(Up, Down), tonic::Status> {
    let (up, stream) = mpsc::channel(16);
    let hello = pb::Hello {
        format: FORMAT,
        description: description.map(Into::into),
        ..pb::Hello::default()
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
fn checked(view: pb::NodeView, identity: &Identity) -> Result<Arc<NodeView>, String> {
    let view = NodeView::try_from(view).map_err(|e| format!("malformed view: {e}"))?;
    if (view.node, view.cluster) != (identity.node, identity.cluster) {
        return Err(format!("view is for node {} of cluster {}", view.node, view.cluster));
    }
    Ok(Arc::new(view))
}

#[cfg(test)]
mod tests;
