//! One member of the raft group as a plain state machine: no thread, no clock, no socket. The driver feeds it ticks,
//! messages, proposals and reads, then calls [`Replica::advance`], which persists, sends and applies, in that order, and
//! returns what happened. Simulations drive the same code with virtual time and a disk of their own.
//!
//! What must stay true: nothing is sent or applied before the disk has it; the state is changed by `State::apply` only.

use std::collections::BTreeSet;

use model::{ClusterSettings, RequestId};
use raft::{
    RawNode, SnapshotStatus, StateRole,
    eraftpb::{Entry as LogEntry, HardState, Snapshot},
};
use store::{State, View};

use super::{
    begin::member_of,
    disk::{Disk, DiskError, DiskWrite, Saved},
    effect::{Effect, Incoming, ReplicaError, Standing, raft_error, send},
    history::History,
    log::Log,
};

/// Entries before a snapshot that stay for members that lag a little.
const KEEP_BEFORE_SNAPSHOT: u64 = 1_000;
/// Bytes of entries in memory after which a snapshot is made, however few they are; half of it stays at most.
const HELD_BYTES: usize = 64 << 20;

/// A member.
pub struct Replica<D> {
    pub(super) node: RawNode<Log>,
    pub(super) disk: D,
    pub(super) state: State,
    /// Reads that wait until their index is applied.
    reads: BTreeSet<(u64, RequestId)>,
    pub(super) history: History,
    /// Entries behind the last snapshot after which the next is made, if it is not what the cluster's settings say.
    snapshot_every: Option<u64>,
    /// Bytes of entries that are held, about.
    held_bytes: usize,
    /// The disk was full after something had been done that others have to hear of first.
    full: Option<DiskError>,
}

/// What the cluster's settings say; the default before there is a cluster.
fn snapshot_interval(state: &State) -> u64 {
    let default = || ClusterSettings::default().snapshot_interval;
    state
        .cluster()
        .map_or_else(default, |cluster| cluster.settings.snapshot_interval)
}

impl<D: Disk> Replica<D> {
    /// What the disk of a cluster's first member holds at the beginning: one voter, an empty state at index 1. Members
    /// that join later lie behind that snapshot, so that they learn the membership from a snapshot as well.
    pub fn first_member(member: u64) -> Result<Saved, ReplicaError> {
        let mut state = State::default();
        state.apply_nothing(1);
        Saved::of_sole_member(member, 1, &state)
    }

    /// What the disk of a member that joins holds at the beginning: its raft id. The leader tells it everything else.
    pub fn new_member(member: u64) -> Saved {
        let mut saved = Saved {
            member,
            ..Saved::default()
        };
        // Written out, so that a disk on which the snapshot is missing is told from this one.
        saved.snapshot.mut_metadata().index = 0;
        saved
    }

    /// Starts from what `disk` holds. A lone voter campaigns at once; the next [`Replica::advance`] makes it leader.
    pub fn start(mut disk: D) -> Result<Self, ReplicaError> {
        let (node, state) = member_of(disk.load()?)?;
        let mut replica = Self {
            history: History::starting(state.applied(), state.cluster().is_none()),
            node,
            disk,
            state,
            reads: BTreeSet::new(),
            snapshot_every: None,
            held_bytes: HELD_BYTES,
            full: None,
        };
        #[cfg(feature = "planted")]
        planted::is(planted::Bug::VoteForgotten).then(|| replica.node.raft.vote = 0);
        replica.enter()?;
        Ok(replica)
    }

    /// Forgets what is not on the disk and starts anew from there, as after a crash: what to do when the disk was full
    /// ([`super::DiskError::Full`]), after which nothing else may be called. Fails in the same way while it is. What is
    /// applied in here has no effects: anything may have changed.
    pub fn restart(&mut self) -> Result<(), ReplicaError> {
        let saved = self.disk.load()?;
        // The same again: shows whether there is space before anything depends on it.
        self.disk.write(&DiskWrite {
            hard_state: Some(&saved.hard_state),
            ..DiskWrite::default()
        })?;
        (self.node, self.state) = member_of(saved)?;
        self.reads.clear();
        self.full = None;
        self.enter()
    }

    fn enter(&mut self) -> Result<(), ReplicaError> {
        // Committed changes of the membership must be applied before anybody may campaign.
        self.advance()?;
        self.check_space()?;
        if self.is_lone_voter() {
            self.node.campaign().map_err(raft_error)?;
        }
        Ok(())
    }

    /// Makes snapshots after this many entries, whatever the cluster's settings say; for tests.
    #[must_use]
    pub fn with_snapshot_every(mut self, entries: u64) -> Self {
        self.snapshot_every = Some(entries);
        self
    }

    /// Makes snapshots when the entries in memory have this many bytes; for tests.
    #[must_use]
    pub fn with_held_bytes(mut self, bytes: usize) -> Self {
        self.held_bytes = bytes;
        self
    }

    /// Sets the ticks without a leader until this member campaigns, which the raft crate draws at random; simulations
    /// draw it from their seed. Lasts until the next change of role or term.
    pub fn set_election_timeout(&mut self, ticks: usize) {
        self.node.raft.set_randomized_election_timeout(ticks);
    }

    /// Its raft id.
    pub fn member(&self) -> u64 {
        self.node.raft.id
    }

    /// The state as of the last applied entry; a clone is cheap.
    pub fn view(&self) -> View {
        self.state.clone()
    }

    /// The latest changes; the handle follows them.
    pub fn history(&self) -> History {
        self.history.clone()
    }

    /// Who leads. A member that has just been elected counts as leader once it has applied an entry of its own term:
    /// from then on its state has everything that was acknowledged before. One that has to start anew follows nobody.
    pub fn standing(&self) -> Standing {
        let raft = &self.node.raft;
        if self.full.is_some() {
            return Standing {
                term: raft.term,
                ..Standing::default()
            };
        }
        let caught_up = raft.raft_log.term(self.state.applied()) == Ok(raft.term);
        Standing {
            term: raft.term,
            leader: (raft.leader_id != raft::INVALID_ID).then_some(raft.leader_id),
            leads: raft.state == StateRole::Leader && caught_up,
        }
    }

    pub(super) fn is_lone_voter(&self) -> bool {
        let members = self.node.raft.prs().conf().to_conf_state();
        members.voters == [self.member()] && members.voters_outgoing.is_empty()
    }

    /// One unit of raft's time has passed.
    pub fn tick(&mut self) {
        self.node.tick();
    }

    /// Asks for `entry` to be appended; whether and when it is applied shows in later effects. Not even taken (`false`)
    /// while there is no leader.
    pub fn propose(&mut self, entry: Vec<u8>) -> bool {
        self.node.propose(Vec::new(), entry).is_ok()
    }

    /// The same for an entry of which there may be other copies; the first was proposed when this member had applied the
    /// log up to `since`.
    pub fn propose_repeated(&mut self, entry: Vec<u8>, since: u64) -> bool {
        self.node.propose(since.to_le_bytes().to_vec(), entry).is_ok()
    }

    /// Index of the last entry applied.
    pub(super) fn applied(&self) -> u64 {
        self.state.applied()
    }

    /// Asks for a read that reflects everything acknowledged before now. May be lost when there is no leader, or one
    /// that has committed nothing yet: ask again.
    pub fn read(&mut self, id: RequestId) {
        #[cfg(feature = "planted")]
        if planted::is(planted::Bug::StaleRead) && self.reads.insert((0, id)) {
            return;
        }
        self.node.read_index(id.bits().to_le_bytes().to_vec());
    }

    /// Takes a message of another member. Bytes that are no message are ignored, as a lost message would be.
    pub fn step(&mut self, bytes: &[u8]) {
        if let Some(message) = Incoming::parse(bytes) {
            self.take(message);
        }
    }

    /// Takes a message of another member. One for a raft id that this node had before is not for this member.
    pub fn take(&mut self, Incoming(message): Incoming) {
        if message.to == self.member() {
            let _ = self.node.step(message);
        }
    }

    /// A message to this member could not be delivered.
    pub fn unreachable(&mut self, member: u64) {
        self.node.report_unreachable(member);
    }

    /// How a snapshot's way to this member ended. Raft sends a member that waits for one nothing else until it hears that.
    pub fn snapshot_ended(&mut self, member: u64, arrived: bool) {
        let status = if arrived {
            SnapshotStatus::Finish
        } else {
            SnapshotStatus::Failure
        };
        self.node.report_snapshot(member, status);
    }

    /// Persists, sends and applies all that is ready. A disk that gets full on the way takes back nothing of what was
    /// done: that is returned, and the next call fails.
    pub fn advance(&mut self) -> Result<Vec<Effect>, ReplicaError> {
        self.check_space()?;
        let mut effects = Vec::new();
        match self.proceed(&mut effects) {
            Err(ReplicaError::Disk(why)) if why.is_full() && !effects.is_empty() => self.full = Some(why),
            outcome => outcome?,
        }
        Ok(effects)
    }

    /// Fails if the disk was full at the end of the last [`Replica::advance`]: see [`Replica::restart`].
    pub(super) fn check_space(&self) -> Result<(), ReplicaError> {
        match &self.full {
            Some(DiskError::Full { file }) => Err(DiskError::Full { file: file.clone() }.into()),
            _ => Ok(()),
        }
    }

    fn proceed(&mut self, effects: &mut Vec<Effect>) -> Result<(), ReplicaError> {
        while self.node.has_ready() {
            let mut ready = self.node.ready();
            self.persist(ready.snapshot(), ready.hs(), ready.entries(), effects)?;
            send(ready.take_messages(), effects)?;
            send(ready.take_persisted_messages(), effects)?;
            for read in ready.take_read_states() {
                if let Ok(id) = read.request_ctx.as_slice().try_into() {
                    self.reads
                        .insert((read.index, RequestId::from_bits(u128::from_le_bytes(id))));
                }
            }
            self.apply(ready.take_committed_entries(), effects)?;
            let mut light = self.node.advance(ready);
            if let Some(commit) = light.commit_index() {
                self.node.mut_store().hard_state.commit = commit;
            }
            send(light.take_messages(), effects)?;
            self.apply(light.take_committed_entries(), effects)?;
            self.node.advance_apply();
        }
        self.answer_reads(effects);
        self.compact()
    }

    fn persist(
        &mut self,
        snapshot: &Snapshot,
        hard_state: Option<&HardState>,
        entries: &[LogEntry],
        effects: &mut Vec<Effect>,
    ) -> Result<(), ReplicaError> {
        let snapshot = (snapshot.get_metadata().index > 0).then_some(snapshot);
        if snapshot.is_none() && hard_state.is_none() && entries.is_empty() {
            return Ok(());
        }
        let written = self.disk.write(&DiskWrite {
            hard_state,
            snapshot,
            keep_from: None,
            entries,
        });
        #[cfg(feature = "planted")]
        let written = planted::forgive(planted::Bug::DiskErrorIgnored, written);
        written?;
        let log = self.node.mut_store();
        if let Some(hard_state) = hard_state {
            log.hard_state = hard_state.clone();
        }
        if let Some(snapshot) = snapshot {
            log.install(snapshot.clone());
            self.state = State::decode(&snapshot.data)?;
            self.history.forget(self.state.applied());
            effects.push(Effect::Installed);
        }
        self.node.mut_store().append(entries);
        Ok(())
    }

    fn answer_reads(&mut self, effects: &mut Vec<Effect>) {
        while let Some((index, id)) = self.reads.first().copied() {
            if index > self.state.applied() {
                break;
            }
            self.reads.pop_first();
            effects.push(Effect::Readable(id));
        }
    }

    fn compact(&mut self) -> Result<(), ReplicaError> {
        let (applied, last) = (self.state.applied(), self.node.store().snapshot_index());
        let every = self.snapshot_every.unwrap_or_else(|| snapshot_interval(&self.state));
        let wanted = self.node.store().is_snapshot_wanted() && applied > last;
        let log = self.node.store();
        // What is not applied yet no snapshot can replace.
        let full = log.bytes() > self.held_bytes && applied > last;
        if applied < last + every && !wanted && !full {
            return Ok(());
        }
        let mut snapshot = Snapshot::default();
        snapshot.set_data(self.state.encode()?.into());
        let meta = snapshot.mut_metadata();
        meta.index = applied;
        meta.term = self.node.raft.raft_log.term(applied).map_err(raft_error)?;
        meta.set_conf_state(self.node.raft.prs().conf().to_conf_state());
        let keep_from = applied.saturating_sub(KEEP_BEFORE_SNAPSHOT.min(every));
        let keep_from = keep_from
            .max(self.node.store().last_within(self.held_bytes / 2))
            .min(applied + 1);
        // The commit index on disk may lie behind the snapshot, which raft would not accept at the next start.
        let hard_state = self.node.store().hard_state.clone();
        self.disk.write(&DiskWrite {
            hard_state: Some(&hard_state),
            snapshot: Some(&snapshot),
            keep_from: Some(keep_from),
            entries: &[],
        })?;
        self.node.mut_store().compact(snapshot, keep_from);
        Ok(())
    }
}
