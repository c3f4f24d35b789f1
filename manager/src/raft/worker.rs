//! The thread that owns a replica: takes requests in batches, lets the replica advance, publishes, answers. Waiting
//! requests are keyed by id; those that were lost are repeated, those whose time is over are answered with why.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use model::RequestId;
use store::{Event, Refused, View};
use tokio::sync::{broadcast, oneshot, watch};

use super::{
    disk::Disk,
    driver::{News, Published},
    effect::{Effect, ReplicaError, Standing},
    full::Resting,
    replica::Replica,
    request::{Applied, MAX_WAITING, ProposeError, ReadError},
    transport::Transport,
};

/// Length of raft's unit of time. An election takes 10 to 20 of them.
const TICK: Duration = Duration::from_millis(100);
/// Requests taken before the replica advances, so that they share one write to disk.
const BATCH: usize = 256;
/// After this long without a leader a request fails.
const NO_LEADER_AFTER: Duration = Duration::from_millis(2_500);
/// After this long a request that was given to another leader is repeated, and a read that got no answer.
const RETRY_AFTER: Duration = Duration::from_millis(250);
/// After this long a request fails in any case.
const DEADLINE: Duration = Duration::from_secs(10);

/// What the handle asks for.
pub(super) enum Request {
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

/// When a request began and when it must have ended.
#[derive(Clone, Copy, Debug)]
struct RequestClock {
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

pub(super) struct Proposal {
    entry: Vec<u8>,
    clock: RequestClock,
    /// Term in which this member, leading, took it into its log: it need not be repeated while that lasts.
    taken: Option<u64>,
    pub(super) replies: Vec<oneshot::Sender<Result<Applied, ProposeError>>>,
}

pub(super) struct Read {
    clock: RequestClock,
    pub(super) reply: oneshot::Sender<Result<View, ReadError>>,
}

/// See the module.
pub(super) struct Worker<D, T> {
    pub(super) replica: Replica<D>,
    transport: T,
    pub(super) publish: watch::Sender<Published>,
    events: broadcast::Sender<News>,
    pub(super) proposals: BTreeMap<RequestId, Proposal>,
    pub(super) reads: BTreeMap<RequestId, Read>,
    /// While the disk is full.
    pub(super) resting: Option<Resting>,
}

impl<D: Disk, T: Transport> Worker<D, T> {
    pub(super) fn new(
        replica: Replica<D>,
        transport: T,
        publish: watch::Sender<Published>,
        events: broadcast::Sender<News>,
    ) -> Self {
        Self {
            replica,
            transport,
            publish,
            events,
            proposals: BTreeMap::new(),
            reads: BTreeMap::new(),
            resting: None,
        }
    }

    /// Runs until it is told to stop, the handles are gone, or the replica cannot go on.
    pub(super) fn run(&mut self, inbox: &Receiver<Request>) -> Result<(), ReplicaError> {
        let mut next_tick = Instant::now() + TICK;
        loop {
            self.advance_unless_full()?;
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
                match self.resting {
                    None => self.take(request),
                    Some(_) => self.refuse(request),
                }
            }
            let now = Instant::now();
            if now >= next_tick {
                if self.resting.is_none() {
                    self.replica.tick();
                    self.repeat_and_expire(now);
                }
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

    pub(super) fn advance(&mut self) -> Result<(), ReplicaError> {
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
        let mut published = Published {
            view: self.replica.view(),
            standing: self.replica.standing(),
        };
        // A replica that started anew may know less for a while than it has shown: what was seen is never taken back.
        let seen = self.publish.borrow().view.clone();
        if seen.applied() > published.view.applied() {
            published.view = seen;
        }
        let changed =
            |old: &Published| old.standing != published.standing || old.view.applied() != published.view.applied();
        if changed(&self.publish.borrow()) {
            self.publish.send_replace(published.clone());
        }
        let events: Arc<[Event]> = effects.iter().flat_map(touched).copied().collect();
        let everything = effects.iter().any(|effect| matches!(effect, Effect::Installed));
        if everything || !events.is_empty() {
            let view = published.view.clone();
            let _ = self.events.send(News {
                view,
                events,
                everything,
            });
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
