//! The thread that owns a replica: takes requests in batches, lets the replica advance, publishes, answers.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use control::Members;
use model::RequestId;
use tokio::sync::{broadcast, watch};

use super::{
    disk::Disk,
    driver::{Changed, News, Published},
    effect::{Effect, Incoming, ReplicaError, Standing},
    full::Resting,
    held::{Asked, Held},
    pulse::Pulse,
    replica::Replica,
    transport::Transport,
    waiting::{ProposeReply, ReadReply, Waiting},
};

/// Length of raft's unit of time. A leader is heard every second one; an election takes place after 10 to 20 of them.
pub const TICK: Duration = Duration::from_millis(50);
/// Requests taken before the replica advances, so that they share one write to disk.
const BATCH: usize = 256;
/// A member that a leader has not heard for this long counts as unreachable; it answers every heartbeat.
pub const SILENT_AFTER: Duration = Duration::from_millis(1_500);

/// What the handle asks for.
pub(super) enum Request {
    Propose {
        id: RequestId,
        /// Only while this member leads in this term.
        of_term: Option<u64>,
        entry: Vec<u8>,
        reply: ProposeReply,
    },
    Change(Asked),
    HandOver(u64),
    Read {
        id: RequestId,
        reply: ReadReply,
    },
    Step(Vec<Incoming>),
    Unreachable(u64),
    SnapshotEnded {
        member: u64,
        arrived: bool,
    },
    Stop,
}

/// See the module.
pub(super) struct Worker<D, T> {
    pub(super) replica: Replica<D>,
    transport: T,
    pub(super) publish: Arc<watch::Sender<Published>>,
    events: broadcast::Sender<News>,
    pub(super) waiting: Waiting,
    pub(super) held: Held,
    /// When each member was heard last.
    heard: BTreeMap<u64, Instant>,
    /// Who led when requests were looked at last.
    looked: Standing,
    pub(super) pulse: Pulse,
    /// While the disk is full.
    pub(super) resting: Option<Resting>,
    /// The replica has started anew since the last news: what it applied meanwhile nobody was told.
    pub(super) anew: bool,
}

impl<D: Disk, T: Transport> Worker<D, T> {
    pub(super) fn new(
        replica: Replica<D>,
        transport: T,
        publish: Arc<watch::Sender<Published>>,
        events: broadcast::Sender<News>,
    ) -> Self {
        Self {
            looked: replica.standing(),
            replica,
            transport,
            publish,
            events,
            waiting: Waiting::default(),
            held: Held::new(),
            heard: BTreeMap::new(),
            pulse: Pulse::new(),
            resting: None,
            anew: false,
        }
    }

    /// Runs until it is told to stop, the handles are gone, or the replica cannot go on.
    pub(super) fn run(&mut self, inbox: &Receiver<Request>) -> Result<(), ReplicaError> {
        let mut next_tick = Instant::now() + TICK;
        loop {
            self.pulse.beat();
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
            if self.resting.is_none() {
                self.look_at_held();
            }
            let now = Instant::now();
            if now >= next_tick {
                if self.resting.is_none() {
                    self.replica.tick();
                    self.waiting.look(&mut self.replica, now);
                    self.publish_members(now);
                }
                // After a pause (a suspended machine) time goes on from now; raft must not see a burst of ticks.
                next_tick = (next_tick + TICK).max(now);
            }
        }
    }

    fn take(&mut self, request: Request) {
        match request {
            Request::Propose {
                id,
                of_term,
                entry,
                reply,
            } => self.waiting.propose(&mut self.replica, id, of_term, entry, reply),
            Request::Change(asked) => self.take_change(asked),
            Request::HandOver(to) => self.replica.hand_over(to),
            Request::Read { id, reply } => self.waiting.read(id, reply),
            Request::Step(messages) => {
                let now = Instant::now();
                for message in messages {
                    self.heard.insert(message.from(), now);
                    self.replica.take(message);
                }
            }
            Request::Unreachable(member) => self.replica.unreachable(member),
            Request::SnapshotEnded { member, arrived } => self.replica.snapshot_ended(member, arrived),
            Request::Stop => {}
        }
    }

    pub(super) fn advance(&mut self) -> Result<(), ReplicaError> {
        self.waiting.ask_reads(&mut self.replica);
        let effects = self.replica.advance()?;
        let published = self.publish_state(&effects);
        for effect in effects {
            match effect {
                Effect::Send { to, message, snapshot } => self.transport.send(to, message, snapshot),
                Effect::Installed => self.waiting.settle(&published.view),
                Effect::Applied {
                    index,
                    request,
                    outcome,
                    ..
                } => self.waiting.applied(request, index, outcome, &published.view),
                Effect::Readable(id) => self.waiting.readable(id, &published.view),
            }
        }
        if published.standing.leader.is_some() && self.looked != published.standing {
            self.looked = published.standing;
            self.waiting.look(&mut self.replica, Instant::now());
        }
        self.replica.check_space()
    }

    /// Publishes view, standing and events if they changed; before anybody is answered.
    fn publish_state(&mut self, effects: &[Effect]) -> Published {
        let everything = self.anew || effects.iter().any(|effect| matches!(effect, Effect::Installed));
        let applied = everything || effects.iter().any(|effect| matches!(effect, Effect::Applied { .. }));
        let members = if applied {
            Arc::new(self.members(Instant::now()))
        } else {
            self.publish.borrow().members.clone()
        };
        let mut published = Published {
            view: self.replica.view(),
            standing: self.replica.standing(),
            members,
        };
        // A replica that started anew may know less for a while than it has shown: what was seen is never taken back.
        let seen = self.publish.borrow().view.clone();
        let known = seen.applied();
        if known > published.view.applied() {
            published.view = seen;
        }
        let differs =
            |old: &Published| old.standing != published.standing || old.view.applied() != published.view.applied();
        if differs(&self.publish.borrow()) {
            self.publish.send_replace(published.clone());
        }
        let entries: Arc<[Changed]> = effects.iter().filter_map(|effect| changed(effect, known)).collect();
        self.anew = false;
        if everything || !entries.is_empty() {
            let view = published.view.clone();
            let _ = self.events.send(News {
                view,
                entries,
                everything,
            });
        }
        published
    }

    fn members(&self, now: Instant) -> Members {
        let heard = self.heard.iter().filter(|(_, at)| now < **at + SILENT_AFTER);
        self.with_reachable(heard)
    }

    /// Raft's members; reachable are those that were heard after `since`.
    pub(super) fn heard_since(&self, since: Instant) -> Members {
        self.with_reachable(self.heard.iter().filter(|(_, at)| **at > since))
    }

    fn with_reachable<'a>(&self, heard: impl Iterator<Item = (&'a u64, &'a Instant)>) -> Members {
        let mut members = self.replica.members();
        members.reachable.extend(heard.map(|(id, _)| *id));
        members
    }

    fn publish_members(&mut self, now: Instant) {
        let members = self.members(now);
        self.publish.send_if_modified(|published| {
            let changed = *published.members != members;
            if changed {
                self.transport.keep_only(&members);
                published.members = Arc::new(members);
            }
            changed
        });
    }
}

/// What an entry behind `known` changed.
fn changed(effect: &Effect, known: u64) -> Option<Changed> {
    match effect {
        Effect::Applied {
            index,
            outcome: Ok(events),
            view,
            ..
        } if *index > known && !events.is_empty() => Some(Changed {
            view: (**view).clone(),
            events: events.clone(),
        }),
        _ => None,
    }
}
