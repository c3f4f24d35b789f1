//! A manager of the simulation: the real raft replica over a disk in memory, and on the leader the control loop as the
//! `manager` crate runs it: heartbeats, one pass at a time, views to the nodes. It leads only once a read has shown that
//! everything from before its term is applied.

mod sessions;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use control::{Acks, Board, Dirty, Heartbeats, Members, Moment, Touched, next_deadline, pass};
use manager::{
    KnownManager, known_managers,
    raft::{Replica, ReplicaError, SILENT_AFTER},
};
use model::{NodeId, RequestId, Timestamp};
use store::{Command, Event, MemberChange, MemberStep, Refused, View};

use self::sessions::Session;
use crate::{dice::Dice, disk::LogDisk, world::Happening};

/// Entries between snapshots; few, so that followers get some.
const SNAPSHOT_EVERY: u64 = 40;

/// What only the leader has.
#[derive(Debug)]
pub struct Leading {
    since: Timestamp,
    /// Who was heard when.
    pub beats: Heartbeats,
    /// What changed since the last pass.
    dirty: Dirty,
    /// Entries of the last pass that have not been applied yet: the next pass waits for them.
    pub in_flight: BTreeSet<RequestId>,
    /// The sessions.
    sessions: BTreeMap<NodeId, Session>,
    /// How many there were.
    opened: u128,
    /// Who has what it was told.
    acks: Acks,
}

impl Leading {
    fn moment(&self, now: Timestamp) -> Moment {
        let led_since = self.since;
        Moment { now, led_since }
    }
}

/// See the module.
pub struct Manager {
    /// The node that it runs on.
    pub node: NodeId,
    /// Raft id.
    pub member: u64,
    /// It never runs again: raft has let it go, or its node has left.
    pub gone: bool,
    /// The managers, as its node's session was told.
    pub told: Vec<KnownManager>,
    /// Members younger than its state, as other managers have said.
    vouched: Vec<KnownManager>,
    /// When each other member was heard last.
    heard: BTreeMap<u64, Timestamp>,
    /// The change of the membership that it is about to make, and since when.
    changing: Option<((u64, MemberStep), Timestamp)>,
    /// Outlives the process.
    pub disk: LogDisk,
    /// The process; `None` while it is down.
    pub replica: Option<Replica<LogDisk>>,
    /// The same process while its disk is full: it waits for space.
    resting: Option<Replica<LogDisk>>,
    /// Nanoseconds that its wall clock is ahead.
    pub skew: i64,
    /// What has come while the process was stopped by a signal; `None` unless it is.
    pub paused: Option<Vec<Happening>>,
    /// What nodes can be told, kept while it follows too.
    board: Board,
    /// Whom that concerns which was posted since it was told last.
    touched: Touched,
    /// Set while it leads.
    pub leading: Option<Leading>,
    /// The read that will show that it may lead.
    reading: Option<RequestId>,
    /// The loop is due.
    pub looking: bool,
    /// Grows with each start; ticks from before are nobody's.
    pub run: u32,
}

impl Manager {
    /// A member that starts from what `disk` holds.
    pub fn new(node: NodeId, member: u64, disk: LogDisk) -> Result<Self, ReplicaError> {
        let mut manager = Self {
            node,
            member,
            gone: false,
            told: Vec::new(),
            vouched: Vec::new(),
            heard: BTreeMap::new(),
            changing: None,
            disk,
            replica: None,
            resting: None,
            skew: 0,
            paused: None,
            board: Board::of(&View::default()),
            touched: Touched::default(),
            leading: None,
            reading: None,
            looking: false,
            run: 0,
        };
        manager.start()?;
        Ok(manager)
    }

    /// The process starts.
    pub fn start(&mut self) -> Result<(), ReplicaError> {
        self.replica = Some(match self.resting.take() {
            Some(mut resting) => match resting.restart() {
                Ok(()) => resting,
                Err(why) => {
                    // Whatever else goes wrong ends the process.
                    let waits = matches!(&why, ReplicaError::Disk(why) if why.is_full());
                    self.resting = Some(resting).filter(|_| waits);
                    return Err(why);
                }
            },
            None => {
                // Whatever had it before is gone, an attempt to start that failed too.
                self.disk.killed(false);
                Replica::start(self.disk.clone())?.with_snapshot_every(SNAPSHOT_EVERY)
            }
        });
        self.board = Board::of(&self.view());
        self.run += 1;
        Ok(())
    }

    /// Its disk is full.
    pub fn rest(&mut self) {
        let resting = self.replica.take();
        self.stop();
        self.resting = resting;
    }

    /// The process dies; with `power` its machine too.
    pub fn die(&mut self, power: bool) {
        self.disk.killed(power);
        self.stop();
    }

    fn stop(&mut self) {
        self.replica = None;
        self.paused = None;
        self.looking = false;
        self.heard.clear();
        self.vouched.clear();
        self.changing = None;
        self.follow();
    }

    /// It runs no more, for good.
    pub fn end(&mut self) {
        self.die(false);
        self.resting = None;
        self.gone = true;
    }

    /// A message of another member.
    pub fn take(&mut self, member: u64, message: &[u8], now: Timestamp) {
        if let Some(replica) = &mut self.replica {
            self.heard.insert(member, now);
            replica.step(message);
        }
    }

    /// Raft's members as it sees them; none while it is down.
    pub fn members(&self, now: Timestamp) -> Members {
        self.with_reachable(self.heard.iter().filter(|(_, at)| now < **at + SILENT_AFTER))
    }

    fn with_reachable<'a>(&self, heard: impl Iterator<Item = (&'a u64, &'a Timestamp)>) -> Members {
        let mut members = self.replica.as_ref().map(Replica::members).unwrap_or_default();
        members.reachable.extend(heard.map(|(id, _)| *id));
        members
    }

    /// As in the `manager` crate: a change waits until enough of those that raft needs after it were heard since it was
    /// asked for.
    pub fn may_change(&mut self, change: &MemberChange, now: Timestamp) -> bool {
        let asked = (change.raft_id, change.step);
        let before = self
            .changing
            .filter(|(same, since)| *same == asked && now < *since + SILENT_AFTER);
        let (_, since) = *self.changing.insert(before.unwrap_or((asked, now)));
        let heard = self.heard.iter().filter(|(_, at)| **at > since);
        let may = self.with_reachable(heard).can_make(change);
        if may {
            self.changing = None;
        }
        may
    }

    /// What others have said of managers.
    pub fn known(&self) -> Vec<KnownManager> {
        self.told.iter().chain(&self.vouched).copied().collect()
    }

    /// What it says of raft's members with its messages: while it knows of no leader, those that it has.
    pub fn vouches(&self) -> Vec<KnownManager> {
        let standing = self.replica.as_ref().map(Replica::standing);
        match standing.is_some_and(|standing| standing.leader.is_none()) {
            true => known_managers(&self.view()).collect(),
            false => Vec::new(),
        }
    }

    /// Another manager has said so of members.
    pub fn vouched(&mut self, managers: Vec<KnownManager>) {
        let highest = self.view().highest_raft_id();
        self.vouched.extend(managers);
        self.vouched.retain(|known| known.member > highest);
        self.vouched.sort_by_key(|known| known.member);
        self.vouched.dedup_by_key(|known| known.member);
    }

    /// What it knows; empty while it is down.
    pub fn view(&self) -> View {
        self.replica.as_ref().map(Replica::view).unwrap_or_default()
    }

    fn follow(&mut self) {
        self.leading = None;
        self.reading = None;
    }

    /// One unit of raft's time. The timeout of elections is drawn from the seed, not by the raft crate.
    pub fn tick(&mut self, seed: u64, dice: &mut Dice) {
        let Some(replica) = &mut self.replica else { return };
        let standing = replica.standing();
        let timeout = Dice::of(seed ^ (self.member << 32) ^ standing.term).between(10, 19);
        replica.set_election_timeout(timeout as usize);
        replica.tick();
        if standing.leads && self.leading.is_none() {
            let id = RequestId::from_bits(dice.id());
            replica.read(id);
            self.reading = Some(id);
        }
    }

    /// A read may be answered: if it is the one that was waited for, this manager leads from now on.
    pub fn readable(&mut self, id: RequestId, now: Timestamp) {
        if self.reading == Some(id) {
            self.reading = None;
            self.leading = Some(Leading {
                since: now,
                beats: Heartbeats::starting(now),
                dirty: Dirty::all(),
                in_flight: BTreeSet::new(),
                sessions: BTreeMap::new(),
                opened: 0,
                acks: Acks::default(),
            });
            self.touched.everyone = true;
            self.posted();
        }
    }

    /// After each step: a manager that raft has deposed leads no more.
    pub fn check_standing(&mut self) {
        if !self.replica.as_ref().is_some_and(|replica| replica.standing().leads) {
            self.follow();
        }
    }

    /// Time leaps; nobody is blamed for the silence.
    pub fn leap(&mut self, span: Duration, now: Timestamp) {
        self.heard.values_mut().for_each(|at| *at = *at + span);
        if let Some(leading) = &mut self.leading {
            leading.beats = Heartbeats::starting(now);
            leading
                .sessions
                .values_mut()
                .for_each(|session| session.told = session.told + span);
            leading.dirty = Dirty::all();
        }
    }

    /// An entry was applied.
    pub fn applied(&mut self, request: RequestId, outcome: &Result<Vec<Event>, Refused>) {
        let Some(leading) = &mut self.leading else { return };
        leading.in_flight.remove(&request);
        for event in outcome.iter().flatten() {
            leading.dirty.note(event);
        }
        if outcome.is_err() {
            leading.dirty = Dirty::all();
        }
    }

    /// What the leader has to propose now: nodes that are overdue, or else the next pass.
    pub fn decide(&mut self, now: Timestamp, dice: &mut Dice) -> Vec<Command> {
        let view = self.view();
        let Some(leading) = &mut self.leading else {
            return Vec::new();
        };
        if !leading.in_flight.is_empty() || view.cluster().is_none() {
            return Vec::new();
        }
        let overdue = leading.beats.overdue(&view, now, now);
        if !overdue.is_empty() {
            return vec![Command::Batch(overdue)];
        }
        // The product looks at everything every half minute all the same; here events have to suffice.
        let dirty = std::mem::take(&mut leading.dirty);
        pass(&view, &dirty, leading.moment(now), &mut || dice.id())
    }

    /// A proposal was not even taken, as while this manager hands over: nobody waits for it, and everything is looked at
    /// again.
    pub fn lost(&mut self, request: RequestId) {
        if let Some(leading) = &mut self.leading {
            leading.in_flight.remove(&request);
            leading.dirty = Dirty::all();
        }
    }

    /// When the loop has something to do without any event.
    pub fn deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let (view, leading) = (self.view(), self.leading.as_ref()?);
        let beats = leading.beats.next_deadline(&view);
        beats.into_iter().chain(next_deadline(&view, leading.moment(now))).min()
    }
}
