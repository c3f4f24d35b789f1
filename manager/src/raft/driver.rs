//! The thread that owns a replica. Requests with ids and deadlines come in through one channel; views go out through a
//! watch, events through a broadcast, replies to whoever waits for a request id.
//!
//! Called by the proposer, the raft service and tests. What must stay true: a view is published before anybody is told
//! that the change in it was applied; whatever is taken is answered once, at its deadline at the latest; a request that
//! was lost is repeated with the same id, and `apply` carries it out once.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use model::RequestId;
use store::{CodecError, Event, Refused, View};
use thiserror::Error;
use tokio::sync::{broadcast, oneshot, watch};

use super::{
    disk::Disk,
    replica::{Effect, Replica, ReplicaError, Standing},
    transport::Transport,
};

/// Length of raft's unit of time. An election takes 10 to 20 of them.
const TICK: Duration = Duration::from_millis(100);
/// Requests taken before the replica advances, so that they share one write to disk.
const BATCH: usize = 256;
/// Batches of events that a slow receiver may lag behind before it has to look at everything.
const EVENT_BACKLOG: usize = 1024;
/// Requests that may wait for an answer at a time.
const MAX_WAITING: usize = 65_536;
/// After this long without a leader a request fails.
const NO_LEADER_AFTER: Duration = Duration::from_millis(2_500);
/// After this long a request that was given to another leader is repeated, and a read that got no answer.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// Deadline for requests that name none.
const DEADLINE: Duration = Duration::from_secs(10);

const NO_LEADER: &str = "The swarm does not have a leader. It's possible that too few managers are online. Make sure more than half of the managers are online.";

/// A command that was carried out.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Its index in the log.
    pub index: u64,
    /// The state right after it (or later).
    pub view: View,
}

/// A command that was not carried out, or of which nobody can say.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProposeError {
    /// The state did not take it. Nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// No leader within the time. It may still be carried out later; repeat it with the same request id.
    #[error("{NO_LEADER}")]
    NoLeader,
    /// A leader, but no answer within the time. It may still be carried out; repeat it with the same request id.
    #[error("The swarm's managers did not agree within {0:?}: context deadline exceeded")]
    Deadline(Duration),
    /// Too many requests wait.
    #[error("this manager has {MAX_WAITING} requests waiting: try again")]
    Busy,
    /// This manager is being stopped, or its disk failed.
    #[error("this manager is stopping")]
    Stopped,
    /// It has no bytes.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// A read that cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// No leader within the time.
    #[error("{NO_LEADER}")]
    NoLeader,
    /// This manager is being stopped, or its disk failed.
    #[error("this manager is stopping")]
    Stopped,
}

/// What everybody on this manager sees.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// The state as of the last applied entry.
    pub view: View,
    /// Who leads.
    pub standing: Standing,
}

/// When a request began and when it must have ended.
#[derive(Clone, Copy, Debug)]
pub struct RequestClock {
    began: Instant,
    asked: Instant,
    deadline: Instant,
}

impl RequestClock {
    fn starting(now: Instant) -> Self {
        Self {
            began: now,
            asked: now,
            deadline: now + DEADLINE,
        }
    }
}

enum Request {
    Propose {
        id: RequestId,
        entry: Vec<u8>,
        reply: oneshot::Sender<Result<Applied, ProposeError>>,
    },
    Read {
        id: RequestId,
        reply: oneshot::Sender<Result<View, ReadError>>,
    },
    Step(Vec<Vec<u8>>),
    Unreachable(u64),
    Stop,
}

/// A handle to the thread; clones talk to the same one. The thread ends when told to, or when its disk fails.
#[derive(Clone, Debug)]
pub struct Driver {
    requests: Sender<Request>,
    published: watch::Receiver<Published>,
    events: broadcast::Sender<Arc<[Event]>>,
    failure: watch::Receiver<Option<Arc<str>>>,
}

impl Driver {
    /// Starts the thread. Returns once the replica has read its disk.
    pub fn start<D: Disk>(replica: Replica<D>, transport: impl Transport) -> Self {
        let (requests, inbox) = channel();
        let first = Published {
            view: replica.view(),
            standing: replica.standing(),
        };
        let (publish, published) = watch::channel(first);
        let (events, _) = broadcast::channel(EVENT_BACKLOG);
        let (fail, failure) = watch::channel(None);
        let worker = Worker {
            replica,
            transport,
            publish,
            events: events.clone(),
            proposals: BTreeMap::new(),
            reads: BTreeMap::new(),
        };
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
            failure,
        }
    }

    /// What is published, for those who follow it.
    pub fn published(&self) -> watch::Receiver<Published> {
        self.published.clone()
    }

    /// Events of applied commands, from now on. A receiver that lags has to look at everything.
    pub fn events(&self) -> broadcast::Receiver<Arc<[Event]>> {
        self.events.subscribe()
    }

    /// Why the thread ended although nobody told it to; pending until then.
    pub fn failure(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.failure.clone()
    }

    /// Hands an encoded entry to raft and waits until it was applied here. The reply is lost, not wrong, if the caller
    /// goes away.
    pub async fn propose(&self, id: RequestId, entry: Vec<u8>) -> Result<Applied, ProposeError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.requests.send(Request::Propose { id, entry, reply });
        sent.map_err(|_| ProposeError::Stopped)?;
        answer.await.unwrap_or(Err(ProposeError::Stopped))
    }

    /// A view that reflects everything acknowledged by any manager before the call (raft's ReadIndex).
    pub async fn read(&self, id: RequestId) -> Result<View, ReadError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.requests.send(Request::Read { id, reply });
        sent.map_err(|_| ReadError::Stopped)?;
        answer.await.unwrap_or(Err(ReadError::Stopped))
    }

    /// Messages that came from other members.
    pub fn step(&self, messages: Vec<Vec<u8>>) {
        let _ = self.requests.send(Request::Step(messages));
    }

    /// A message to this member could not be delivered.
    pub fn unreachable(&self, member: u64) {
        let _ = self.requests.send(Request::Unreachable(member));
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

struct Proposal {
    entry: Vec<u8>,
    clock: RequestClock,
    /// Term in which this member, leading, took it into its log: it need not be repeated while that lasts.
    taken: Option<u64>,
    replies: Vec<oneshot::Sender<Result<Applied, ProposeError>>>,
}

struct Read {
    clock: RequestClock,
    reply: oneshot::Sender<Result<View, ReadError>>,
}

struct Worker<D, T> {
    replica: Replica<D>,
    transport: T,
    publish: watch::Sender<Published>,
    events: broadcast::Sender<Arc<[Event]>>,
    proposals: BTreeMap<RequestId, Proposal>,
    reads: BTreeMap<RequestId, Read>,
}

impl<D: Disk, T: Transport> Worker<D, T> {
    fn run(&mut self, inbox: &Receiver<Request>) -> Result<(), ReplicaError> {
        let mut next_tick = Instant::now() + TICK;
        loop {
            self.advance()?;
            let wait = next_tick.saturating_duration_since(Instant::now());
            let first = match inbox.recv_timeout(wait) {
                Ok(request) => Some(request),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            for request in first.into_iter().chain(inbox.try_iter().take(BATCH)) {
                if matches!(request, Request::Stop) {
                    return Ok(());
                }
                self.take(request);
            }
            let now = Instant::now();
            if now >= next_tick {
                self.replica.tick();
                self.repeat_and_expire(now);
                // After a pause (a suspended machine) time goes on from now; raft must not see a burst of ticks.
                next_tick = (next_tick + TICK).max(now);
            }
        }
    }

    fn take(&mut self, request: Request) {
        match request {
            Request::Propose { id, entry, reply } => self.take_proposal(id, entry, reply),
            Request::Read { id, reply } => {
                let clock = RequestClock::starting(Instant::now());
                self.replica.read(id);
                self.reads.insert(id, Read { clock, reply });
            }
            Request::Step(messages) => messages.iter().for_each(|message| self.replica.step(message)),
            Request::Unreachable(member) => self.replica.unreachable(member),
            Request::Stop => {}
        }
    }

    fn take_proposal(&mut self, id: RequestId, entry: Vec<u8>, reply: oneshot::Sender<Result<Applied, ProposeError>>) {
        if let Some(waiting) = self.proposals.get_mut(&id) {
            waiting.replies.push(reply);
            return;
        }
        if self.proposals.len() >= MAX_WAITING {
            let _ = reply.send(Err(ProposeError::Busy));
            return;
        }
        let taken = self.hand_over(&entry);
        let proposal = Proposal {
            entry,
            clock: RequestClock::starting(Instant::now()),
            taken,
            replies: vec![reply],
        };
        self.proposals.insert(id, proposal);
    }

    /// Gives an entry to raft. Answers with the term if this member leads and has it in its log now.
    fn hand_over(&mut self, entry: &[u8]) -> Option<u64> {
        let standing = self.replica.standing();
        let accepted = self.replica.propose(entry.to_vec());
        (accepted && standing.leads).then_some(standing.term)
    }

    fn advance(&mut self) -> Result<(), ReplicaError> {
        let effects = self.replica.advance()?;
        let published = self.publish_state(&effects);
        for effect in effects {
            match effect {
                Effect::Send { to, message } => self.transport.send(to, message),
                Effect::Installed => {}
                Effect::Applied {
                    index,
                    request,
                    outcome,
                } => self.answer(request, index, outcome, &published),
                Effect::Readable(id) => {
                    if let Some(read) = self.reads.remove(&id) {
                        let _ = read.reply.send(Ok(published.view.clone()));
                    }
                }
            }
        }
        Ok(())
    }

    /// Publishes view, standing and events if they changed; before anybody is answered.
    fn publish_state(&mut self, effects: &[Effect]) -> Published {
        let published = Published {
            view: self.replica.view(),
            standing: self.replica.standing(),
        };
        let changed =
            |old: &Published| old.standing != published.standing || old.view.applied() != published.view.applied();
        if changed(&self.publish.borrow()) {
            self.publish.send_replace(published.clone());
        }
        let events: Arc<[Event]> = effects.iter().flat_map(touched).copied().collect();
        if !events.is_empty() {
            let _ = self.events.send(events);
        }
        published
    }

    fn answer(&mut self, id: RequestId, index: u64, outcome: Result<Vec<Event>, Refused>, published: &Published) {
        let Some(proposal) = self.proposals.remove(&id) else {
            return;
        };
        let answer = match outcome {
            Ok(_) => Ok(Applied {
                index,
                view: published.view.clone(),
            }),
            Err(refused) => Err(ProposeError::Refused(refused)),
        };
        for reply in proposal.replies {
            let _ = reply.send(answer.clone());
        }
    }

    fn repeat_and_expire(&mut self, now: Instant) {
        let standing = self.replica.standing();
        self.expire_proposals(now, standing);
        self.expire_reads(now, standing);
    }

    fn expire_proposals(&mut self, now: Instant, standing: Standing) {
        let mut repeat = Vec::new();
        let mut over = Vec::new();
        for (id, proposal) in &self.proposals {
            let clock = proposal.clock;
            let leaderless = standing.leader.is_none() && now >= clock.began + NO_LEADER_AFTER;
            if leaderless || now >= clock.deadline {
                over.push((*id, leaderless));
            } else if proposal.taken != Some(standing.term) && now >= clock.asked + RETRY_AFTER {
                repeat.push(*id);
            }
        }
        for (id, leaderless) in over {
            let Some(proposal) = self.proposals.remove(&id) else {
                continue;
            };
            let error = if leaderless {
                ProposeError::NoLeader
            } else {
                ProposeError::Deadline(DEADLINE)
            };
            for reply in proposal.replies {
                let _ = reply.send(Err(error.clone()));
            }
        }
        for id in repeat {
            let Some(mut proposal) = self.proposals.remove(&id) else {
                continue;
            };
            proposal.taken = self.hand_over(&proposal.entry);
            proposal.clock.asked = now;
            self.proposals.insert(id, proposal);
        }
    }

    fn expire_reads(&mut self, now: Instant, standing: Standing) {
        let mut over = Vec::new();
        for (id, read) in &mut self.reads {
            let leaderless = standing.leader.is_none() && now >= read.clock.began + NO_LEADER_AFTER;
            if leaderless || now >= read.clock.deadline {
                over.push(*id);
            } else if now >= read.clock.asked + RETRY_AFTER {
                self.replica.read(*id);
                read.clock.asked = now;
            }
        }
        for id in over {
            if let Some(read) = self.reads.remove(&id) {
                let _ = read.reply.send(Err(ReadError::NoLeader));
            }
        }
    }
}

fn touched(effect: &Effect) -> &[Event] {
    match effect {
        Effect::Applied {
            outcome: Ok(events), ..
        } => events,
        _ => &[],
    }
}
