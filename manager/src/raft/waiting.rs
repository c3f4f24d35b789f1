//! Requests that wait for their answer, keyed by id. Those that were lost are repeated, those whose time is over are
//! answered with why. Owned by the worker.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use model::RequestId;
use store::{Event, Refused, View};
use tokio::sync::oneshot;

use super::{
    disk::Disk,
    effect::Standing,
    held::Asked,
    replica::Replica,
    request::{Applied, MAX_WAITING, ProposeError, ReadError},
};

/// After this long without a leader a request fails.
const NO_LEADER_AFTER: Duration = Duration::from_millis(2_500);
/// After this long a request that was given to another leader is repeated, and a read that got no answer.
const RETRY_AFTER: Duration = Duration::from_millis(250);
/// After this long a request fails in any case.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

pub(super) type ProposeReply = oneshot::Sender<Result<Applied, ProposeError>>;
pub(super) type ReadReply = oneshot::Sender<Result<View, ReadError>>;

/// When a request began, and when and of whom it was asked last.
#[derive(Clone, Copy, Debug)]
struct RequestClock {
    began: Instant,
    asked: Instant,
    of: (u64, Option<u64>),
}

impl RequestClock {
    fn starting(now: Instant, standing: Standing) -> Self {
        Self {
            began: now,
            asked: now,
            of: (standing.term, standing.leader),
        }
    }

    /// How it has to end now, if it has: without a leader (`Some(true)`) or by its deadline.
    fn over(&self, now: Instant, standing: Standing) -> Option<bool> {
        let leaderless = standing.leader.is_none() && now >= self.began + NO_LEADER_AFTER;
        (leaderless || now >= self.began + DEADLINE).then_some(leaderless)
    }

    /// A new leader is asked at once: the old one may have died with the request.
    fn is_lost(&self, now: Instant, standing: Standing) -> bool {
        let new_leader = standing.leader.is_some() && self.of != (standing.term, standing.leader);
        new_leader || now >= self.asked + RETRY_AFTER
    }

    fn repeated(&mut self, now: Instant, standing: Standing) {
        self.asked = now;
        self.of = (standing.term, standing.leader);
    }
}

struct Proposal {
    entry: Vec<u8>,
    /// What this member had applied when it was asked first.
    since: u64,
    clock: RequestClock,
    /// Term in which this member, leading, took it into its log: it need not be repeated while that lasts.
    taken: Option<u64>,
    /// It was decided by the leader of this term, and is given up with it: nobody else may carry it out later.
    of_term: Option<u64>,
    replies: Vec<ProposeReply>,
}

/// Reads that came together, and are one to raft.
struct Reads {
    clock: RequestClock,
    replies: Vec<ReadReply>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Waiting {
    proposals: BTreeMap<RequestId, Proposal>,
    reads: BTreeMap<RequestId, Reads>,
    /// Reads of which raft does not know yet; they have the first one's id.
    fresh: Option<(RequestId, Vec<ReadReply>)>,
    /// All reads that wait.
    reading: usize,
}

/// Gives an entry to raft. Answers with the term if this member leads and has it in its log now. What a leader takes from
/// itself for the first time is the only copy; of all others there may be more.
fn hand_in<D: Disk>(replica: &mut Replica<D>, entry: &[u8], since: u64, first: bool) -> Option<u64> {
    let standing = replica.standing();
    let accepted = match first && standing.leads {
        true => replica.propose(entry.to_vec()),
        false => replica.propose_repeated(entry.to_vec(), since),
    };
    (accepted && standing.leads).then_some(standing.term)
}

impl Waiting {
    /// A command to be put into the log: by whoever leads, or only while this member leads in `of_term`.
    pub(super) fn propose<D: Disk>(
        &mut self,
        replica: &mut Replica<D>,
        id: RequestId,
        of_term: Option<u64>,
        entry: Vec<u8>,
        reply: ProposeReply,
    ) {
        if let Some(waiting) = self.proposals.get_mut(&id) {
            waiting.replies.push(reply);
            return;
        }
        if self.proposals.len() >= MAX_WAITING {
            let _ = reply.send(Err(ProposeError::Busy));
            return;
        }
        let standing = replica.standing();
        if of_term.is_some_and(|term| !standing.leads || standing.term != term) {
            let _ = reply.send(Err(ProposeError::Superseded));
            return;
        }
        let taken = hand_in(replica, &entry, replica.applied(), true);
        let proposal = Proposal::starting(replica, of_term, entry, taken, reply);
        self.proposals.insert(id, proposal);
    }

    /// A change of raft's members, decided by the leader of `term`.
    pub(super) fn change<D: Disk>(&mut self, replica: &mut Replica<D>, asked: Asked) {
        let Asked {
            id,
            term,
            change,
            entry,
            reply,
        } = asked;
        if !replica.change_members(term, &change, entry) {
            let _ = reply.send(Err(ProposeError::Superseded));
            return;
        }
        let proposal = Proposal::starting(replica, Some(term), Vec::new(), Some(term), reply);
        self.proposals.insert(id, proposal);
    }

    /// A read of everything that was acknowledged before now; raft is asked with the next [`Waiting::ask_reads`].
    pub(super) fn read(&mut self, id: RequestId, reply: ReadReply) {
        if self.reading >= MAX_WAITING {
            let _ = reply.send(Err(ReadError::Busy));
            return;
        }
        self.reading += 1;
        let (_, replies) = self.fresh.get_or_insert_with(|| (id, Vec::new()));
        replies.push(reply);
    }

    /// Asks raft once for all reads that came since.
    pub(super) fn ask_reads<D: Disk>(&mut self, replica: &mut Replica<D>) {
        if let Some((id, replies)) = self.fresh.take() {
            replica.read(id);
            let clock = RequestClock::starting(Instant::now(), replica.standing());
            self.reads.insert(id, Reads { clock, replies });
        }
    }

    /// An entry was applied.
    pub(super) fn applied(&mut self, id: RequestId, index: u64, outcome: Result<Vec<Event>, Refused>, view: &View) {
        let Some(proposal) = self.proposals.remove(&id) else {
            return;
        };
        let answer = match outcome {
            Ok(_) => Ok(Applied {
                index,
                view: view.clone(),
            }),
            Err(refused) => Err(ProposeError::Refused(refused)),
        };
        for reply in proposal.replies {
            let _ = reply.send(answer.clone());
        }
    }

    /// A leader's snapshot was installed: what it has carried out comes by no entry.
    pub(super) fn settle(&mut self, view: &View) {
        let known = |id: &RequestId| Some((*id, view.index_of(*id)?, view.outcome(*id)?));
        let settled: Vec<_> = self.proposals.keys().filter_map(known).collect();
        for (id, index, outcome) in settled {
            self.applied(id, index, outcome.map(|()| Vec::new()), view);
        }
    }

    /// Reads may be answered.
    pub(super) fn readable(&mut self, id: RequestId, view: &View) {
        let replies = self.reads.remove(&id).map(|reads| reads.replies);
        for reply in replies.unwrap_or_default() {
            self.reading -= 1;
            let _ = reply.send(Ok(view.clone()));
        }
    }

    /// Answers everybody.
    pub(super) fn end(
        self,
        proposal: impl Fn() -> Result<Applied, ProposeError>,
        read: impl Fn() -> Result<View, ReadError>,
    ) {
        for reply in self.proposals.into_values().flat_map(|waiting| waiting.replies) {
            let _ = reply.send(proposal());
        }
        let asked = self.reads.into_values().flat_map(|reads| reads.replies);
        let fresh = self.fresh.into_iter().flat_map(|(_, replies)| replies);
        for reply in asked.chain(fresh) {
            let _ = reply.send(read());
        }
    }

    /// Repeats what was lost and ends what is over.
    pub(super) fn look<D: Disk>(&mut self, replica: &mut Replica<D>, now: Instant) {
        self.proposals.retain(|_, proposal| proposal.look(replica, now));
        self.reads.retain(|id, reads| {
            let before = reads.replies.len();
            let stays = reads.look(*id, replica, now);
            self.reading -= before - reads.replies.len();
            stays
        });
    }
}

impl Proposal {
    fn starting<D: Disk>(
        replica: &Replica<D>,
        of_term: Option<u64>,
        entry: Vec<u8>,
        taken: Option<u64>,
        reply: ProposeReply,
    ) -> Self {
        Self {
            entry,
            since: replica.applied(),
            clock: RequestClock::starting(Instant::now(), replica.standing()),
            taken,
            of_term,
            replies: vec![reply],
        }
    }

    /// The term that it belongs to is over here, or will not have it.
    fn is_superseded(&self, standing: Standing) -> bool {
        let in_log = self.taken == Some(standing.term);
        self.of_term
            .is_some_and(|term| term != standing.term || !(in_log || standing.leads))
    }

    /// Whether it goes on waiting.
    fn look<D: Disk>(&mut self, replica: &mut Replica<D>, now: Instant) -> bool {
        let standing = replica.standing();
        let in_log = self.taken == Some(standing.term);
        let error = match self.clock.over(now, standing) {
            Some(true) => Some(ProposeError::NoLeader),
            Some(false) => Some(ProposeError::Deadline(DEADLINE)),
            None if self.is_superseded(standing) => Some(ProposeError::Superseded),
            None => None,
        };
        if let Some(error) = error {
            for reply in self.replies.drain(..) {
                let _ = reply.send(Err(error.clone()));
            }
            return false;
        }
        if !in_log && self.clock.is_lost(now, standing) {
            self.taken = hand_in(replica, &self.entry, self.since, false);
            self.clock.repeated(now, standing);
        }
        true
    }
}

impl Reads {
    /// Whether they go on waiting.
    fn look<D: Disk>(&mut self, id: RequestId, replica: &mut Replica<D>, now: Instant) -> bool {
        let standing = replica.standing();
        if let Some(leaderless) = self.clock.over(now, standing) {
            let why = match leaderless {
                true => ReadError::NoLeader,
                false => ReadError::Deadline(DEADLINE),
            };
            for reply in self.replies.drain(..) {
                let _ = reply.send(Err(why.clone()));
            }
            return false;
        }
        if self.clock.is_lost(now, standing) {
            replica.read(id);
            self.clock.repeated(now, standing);
        }
        true
    }
}
