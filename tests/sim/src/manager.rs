//! A manager of the simulation: the real raft replica over a disk in memory, and on the leader the control loop as the
//! `manager` crate runs it: heartbeats, one pass at a time, views to the nodes. It leads only once a read has shown that
//! everything from before its term is applied.

use std::collections::{BTreeMap, BTreeSet};

use control::{Dirty, Heartbeats, next_deadline, node_view, pass};
use manager::raft::{MemoryDisk, Replica, ReplicaError};
use model::{NodeId, NodeView, RequestId, Timestamp};
use store::{Command, Event, Refused, View};

use crate::{dice::Dice, world::Happening};

/// Entries between snapshots; few, so that followers get some.
const SNAPSHOT_EVERY: u64 = 40;

/// What only the leader has.
#[derive(Debug)]
pub struct Leading {
    /// Who was heard when.
    pub beats: Heartbeats,
    /// What changed since the last pass.
    dirty: Dirty,
    /// Entries of the last pass that have not been applied yet: the next pass waits for them.
    pub in_flight: BTreeSet<RequestId>,
    /// The last view sent to each node.
    pub sent: BTreeMap<NodeId, NodeView>,
}

/// See the module.
pub struct Manager {
    /// Raft id.
    pub member: u64,
    /// Outlives the process.
    pub disk: MemoryDisk,
    /// The process; `None` while it is down.
    pub replica: Option<Replica<MemoryDisk>>,
    /// Nanoseconds that its wall clock is ahead.
    pub skew: i64,
    /// What has come while the process was stopped by a signal; `None` unless it is.
    pub paused: Option<Vec<Happening>>,
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
    pub fn new(member: u64, disk: MemoryDisk) -> Result<Self, ReplicaError> {
        let mut manager = Self {
            member,
            disk,
            replica: None,
            skew: 0,
            paused: None,
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
        self.replica = Some(Replica::start(self.disk.clone())?.with_snapshot_every(SNAPSHOT_EVERY));
        self.run += 1;
        Ok(())
    }

    /// The process dies.
    pub fn stop(&mut self) {
        self.replica = None;
        self.paused = None;
        self.looking = false;
        self.follow();
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
                beats: Heartbeats::starting(now),
                dirty: Dirty::all(),
                in_flight: BTreeSet::new(),
                sent: BTreeMap::new(),
            });
        }
    }

    /// After each step: a manager that raft has deposed leads no more.
    pub fn check_standing(&mut self) {
        if !self.replica.as_ref().is_some_and(|replica| replica.standing().leads) {
            self.follow();
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
        let overdue = leading.beats.overdue(&view, now);
        if !overdue.is_empty() {
            return vec![Command::Batch(overdue)];
        }
        let dirty = std::mem::take(&mut leading.dirty);
        pass(&view, &dirty, now, &mut || dice.id())
    }

    /// A proposal was not even taken: everything is looked at again.
    pub fn lost(&mut self) {
        if let Some(leading) = &mut self.leading {
            leading.dirty = Dirty::all();
        }
    }

    /// When the loop has something to do without any event.
    pub fn deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let (view, leading) = (self.view(), self.leading.as_ref()?);
        let beats = leading.beats.next_deadline(&view);
        beats.into_iter().chain(next_deadline(&view, now)).min()
    }

    /// The views that nodes have not been sent yet.
    pub fn views(&mut self) -> Vec<NodeView> {
        let state = self.view();
        let Some(leading) = &mut self.leading else {
            return Vec::new();
        };
        let mut news = Vec::new();
        for node in state.nodes() {
            let Some(view) = node_view(&state, node.id, state.applied()) else {
                continue;
            };
            let known = leading.sent.get(&node.id);
            if !known.is_some_and(|old| {
                NodeView {
                    seq: view.seq,
                    ..old.clone()
                } == view
            }) {
                leading.sent.insert(node.id, view.clone());
                news.push(view);
            }
        }
        news
    }
}
