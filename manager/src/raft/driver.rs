//! The handle to the thread that owns a replica (`worker`). Requests with ids and deadlines come in through one channel; views go out through a
//! watch, events through a broadcast, replies to whoever waits for a request id.
//!
//! Called by the proposer, the raft service and tests. What must stay true: a view is published before anybody is told
//! that the change in it was applied; whatever is taken is answered once, at its deadline at the latest; a request that
//! was lost is repeated with the same id, and `apply` carries it out once.

use std::{
    sync::{
        Arc,
        mpsc::{Sender, channel},
    },
    thread,
    time::Duration,
};

use control::Members;
use model::RequestId;
use store::{Event, MemberChange, View};
use tokio::{
    sync::{broadcast, oneshot, watch},
    time::timeout,
};

use super::{
    disk::Disk,
    effect::{Incoming, Standing},
    held::Asked,
    history::History,
    replica::Replica,
    request::{Applied, ProposeError, ReadError},
    transport::Transport,
    waiting::DEADLINE,
    worker::{Request, Worker},
};

/// Batches of events that a slow receiver may lag behind before it has to look at everything.
const EVENT_BACKLOG: usize = 1024;
/// What the thread has beyond a request's deadline to say so itself.
const LATE: Duration = Duration::from_millis(500);

/// What everybody on this manager sees.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// The state as of the last applied entry.
    pub view: View,
    /// Who leads.
    pub standing: Standing,
    /// Raft's members as of then; who is reachable only a leader knows.
    pub members: Arc<Members>,
}

/// What one log entry changed.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The state with it.
    pub view: View,
    /// What it touched.
    pub events: Vec<Event>,
}

/// What was applied in one go.
#[derive(Clone, Debug)]
pub struct News {
    /// The state with it.
    pub view: View,
    /// The entries that changed something, all since the last news, in order.
    pub entries: Arc<[Changed]>,
    /// A snapshot was installed: anything may have changed.
    pub everything: bool,
}

impl News {
    /// What was touched.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.entries.iter().flat_map(|entry| &entry.events)
    }
}

/// A handle to the thread; clones talk to the same one. The thread ends when told to, or when its disk fails.
#[derive(Clone, Debug)]
pub struct Driver {
    requests: Sender<Request>,
    published: watch::Receiver<Published>,
    events: broadcast::Sender<News>,
    history: History,
    failure: watch::Receiver<Option<Arc<str>>>,
}

/// What the thread answers, by the deadline also if it stands still: `late` then, `stopped` if it has ended.
async fn answered<T, E>(answer: oneshot::Receiver<Result<T, E>>, late: E, stopped: E) -> Result<T, E> {
    match timeout(DEADLINE + LATE, answer).await {
        Ok(answer) => answer.unwrap_or(Err(stopped)),
        Err(_) => Err(late),
    }
}

async fn proposed(answer: oneshot::Receiver<Result<Applied, ProposeError>>) -> Result<Applied, ProposeError> {
    answered(answer, ProposeError::Deadline(DEADLINE), ProposeError::Stopped).await
}

impl Driver {
    /// Starts the thread. Returns once the replica has read its disk.
    pub fn start<D: Disk>(replica: Replica<D>, transport: impl Transport) -> Self {
        let (requests, inbox) = channel();
        let history = replica.history();
        let first = Published {
            view: replica.view(),
            standing: replica.standing(),
            members: Arc::new(replica.members()),
        };
        let (publish, published) = watch::channel(first);
        let (events, _) = broadcast::channel(EVENT_BACKLOG);
        let (fail, failure) = watch::channel(None);
        let publish = Arc::new(publish);
        let looked_after = Arc::downgrade(&publish);
        let worker = Worker::new(replica, transport, publish, events.clone());
        worker.pulse.clone().look_after(looked_after);
        let body = move || {
            let mut worker = worker;
            if let Err(why) = worker.run(&inbox) {
                tracing::error!(%why, "raft stops");
                fail.send_replace(Some(why.to_string().into()));
            }
        };
        if let Err(why) = thread::Builder::new().name("raft".to_owned()).spawn(body) {
            // The closed channel answers every request with "stopped".
            tracing::error!(%why, "no thread for raft");
        }
        Self {
            requests,
            published,
            events,
            history,
            failure,
        }
    }

    /// What is published, for those who follow it.
    pub fn published(&self) -> watch::Receiver<Published> {
        self.published.clone()
    }

    /// Events of applied commands, from now on. A receiver that lags has to look at everything.
    pub fn events(&self) -> broadcast::Receiver<News> {
        self.events.subscribe()
    }

    /// The latest changes, for those who follow them.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Why the thread ended although nobody told it to; pending until then.
    pub fn failure(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.failure.clone()
    }

    /// Hands an encoded entry to raft and waits until it was applied here. The reply is lost, not wrong, if the caller
    /// goes away.
    pub async fn propose(&self, id: RequestId, entry: Vec<u8>) -> Result<Applied, ProposeError> {
        self.ask(id, None, entry).await
    }

    /// The same for what this member decided as the leader of `term`: it is neither given to another leader nor repeated
    /// in another term.
    pub async fn propose_in(&self, term: u64, id: RequestId, entry: Vec<u8>) -> Result<Applied, ProposeError> {
        self.ask(id, Some(term), entry).await
    }

    async fn ask(&self, id: RequestId, of_term: Option<u64>, entry: Vec<u8>) -> Result<Applied, ProposeError> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Propose {
            id,
            of_term,
            entry,
            reply,
        };
        self.requests.send(request).map_err(|_| ProposeError::Stopped)?;
        proposed(answer).await
    }

    /// Changes raft's members as the leader of `term` decided. `entry` is the same as an encoded command.
    pub async fn change_members(
        &self,
        id: RequestId,
        term: u64,
        change: MemberChange,
        entry: Vec<u8>,
    ) -> Result<Applied, ProposeError> {
        let (reply, answer) = oneshot::channel();
        let asked = Asked {
            id,
            term,
            change,
            entry,
            reply,
        };
        self.requests
            .send(Request::Change(asked))
            .map_err(|_| ProposeError::Stopped)?;
        proposed(answer).await
    }

    /// Asks a voter to lead instead of this member.
    pub fn hand_over(&self, to: u64) {
        let _ = self.requests.send(Request::HandOver(to));
    }

    /// A view that reflects everything acknowledged by any manager before the call (raft's ReadIndex).
    pub async fn read(&self, id: RequestId) -> Result<View, ReadError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.requests.send(Request::Read { id, reply });
        sent.map_err(|_| ReadError::Stopped)?;
        answered(answer, ReadError::Deadline(DEADLINE), ReadError::Stopped).await
    }

    /// Messages that came from other members, each from the one that it says.
    pub fn step(&self, messages: Vec<Incoming>) {
        let _ = self.requests.send(Request::Step(messages));
    }

    /// A message to this member could not be delivered.
    pub fn unreachable(&self, member: u64) {
        let _ = self.requests.send(Request::Unreachable(member));
    }

    /// A snapshot's way to this member has ended.
    pub fn snapshot_ended(&self, member: u64, arrived: bool) {
        let _ = self.requests.send(Request::SnapshotEnded { member, arrived });
    }

    /// Waits until the thread has ended and its files are closed.
    pub async fn ended(&self) {
        let mut failure = self.failure.clone();
        while failure.changed().await.is_ok() {}
    }

    /// Ends the thread; whatever waits is answered with "stopped".
    pub fn stop(&self) {
        let _ = self.requests.send(Request::Stop);
    }
}
