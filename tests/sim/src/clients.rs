//! Clients that read and write the cluster's settings through any manager, and what they may see.
//!
//! A write is a compare-and-set on the settings' version; a read goes by raft's ReadIndex. What they see is linearizable
//! if there is an order of all operations that respects real time; the log is that order: each write has an index, each
//! read the index of the state that it saw. So it suffices that (Herlihy and Wing, "Linearizability", 1990)
//!
//! - an operation's index is not below that of any operation that had ended when it began (above it, for a write);
//! - along the log, a write succeeds if and only if it read the version that the write before it made.

use std::{collections::BTreeMap, time::Duration};

use model::{RequestId, Timestamp};
use store::{Command, Entry, Event, Refused, View};

use crate::{check::Checked, dice::Dice};

/// How many there are.
pub const COUNT: usize = 3;
/// Nanoseconds after which a client gives up; nobody knows then what becomes of its write.
const PATIENCE: i64 = 4_000_000_000;

/// What a client asks a manager for.
#[derive(Clone, Debug)]
pub enum Ask {
    /// A read with this id.
    Read(RequestId),
    /// This write.
    Write(Box<Entry>),
}

#[derive(Debug)]
struct Waiting {
    ask: Ask,
    id: RequestId,
    /// The manager that was asked and will answer.
    manager: usize,
    began: Timestamp,
    /// Highest index of operations that had ended when this one began.
    floor: u64,
}

#[derive(Debug, Default)]
struct Client {
    waiting: Option<Waiting>,
    /// What it read last.
    known: Option<View>,
}

/// All clients of a run.
#[derive(Debug, Default)]
pub struct Clients {
    clients: [Client; COUNT],
    /// Highest index of any operation that has ended.
    floor: u64,
    /// Version of the settings along the log; 0 before there are any.
    version: u64,
    writes: BTreeMap<RequestId, u64>,
    /// Indexes of acknowledged writes, by request.
    acknowledged: BTreeMap<RequestId, u64>,
    reads: u64,
}

impl Clients {
    /// Reads and writes that were answered.
    pub fn answered(&self) -> u64 {
        self.reads + self.acknowledged.len() as u64
    }

    /// Of a cluster whose settings have this version.
    pub fn starting(version: u64) -> Self {
        Self {
            version,
            ..Self::default()
        }
    }

    /// A client's turn: it asks again with the same id, or something new. Returns what, and which manager.
    pub fn turn(
        &mut self,
        client: usize,
        managers: &[usize],
        writes: bool,
        now: Timestamp,
        dice: &mut Dice,
    ) -> (usize, Ask) {
        let (floor, client) = (self.floor, &mut self.clients[client]);
        client.waiting.take_if(|waiting| now.0 - waiting.began.0 > PATIENCE);
        if let Some(waiting) = &client.waiting {
            return (waiting.manager, waiting.ask.clone());
        }
        let (id, manager) = (RequestId::from_bits(dice.id()), dice.pick(managers).unwrap_or_default());
        let write = client.known.as_ref().filter(|_| writes && dice.chance(500));
        let write = write.and_then(|view| settings(view, id, dice));
        let ask = match write {
            Some((read, entry)) => {
                self.writes.insert(id, read);
                Ask::Write(Box::new(entry))
            }
            None => Ask::Read(id),
        };
        client.waiting = Some(Waiting {
            ask: ask.clone(),
            id,
            manager,
            began: now,
            floor,
        });
        (manager, ask)
    }

    /// Time leaps; nobody has waited for longer.
    pub fn leap(&mut self, span: Duration) {
        let waiting = self.clients.iter_mut().filter_map(|client| client.waiting.as_mut());
        waiting.for_each(|waiting| waiting.began = waiting.began + span);
    }

    fn ends(&mut self, manager: usize, id: RequestId) -> Option<(usize, Waiting)> {
        let ends = |waiting: &mut Waiting| waiting.id == id && waiting.manager == manager;
        let mut clients = self.clients.iter_mut().enumerate();
        clients.find_map(|(n, client)| Some((n, client.waiting.take_if(ends)?)))
    }

    /// A manager answers a read from its state.
    pub fn readable(&mut self, manager: usize, id: RequestId, view: &View) -> Checked {
        let Some((client, waiting)) = self.ends(manager, id) else {
            return Ok(());
        };
        let index = view.applied();
        if index < waiting.floor {
            return Err(format!(
                "stale read: manager {} answers from index {index}, {} was known when it was asked",
                manager + 1,
                waiting.floor
            ));
        }
        self.reads += 1;
        self.floor = self.floor.max(index);
        self.clients[client].known = Some(view.clone());
        Ok(())
    }

    /// An entry was applied for the first time anywhere: the register moves on.
    pub fn applied(&mut self, index: u64, id: RequestId, outcome: &Result<Vec<Event>, Refused>) -> Checked {
        let Some(read) = self.writes.get(&id) else {
            if outcome.as_ref().is_ok_and(|events| events.contains(&Event::Cluster)) {
                self.version = index;
            }
            return Ok(());
        };
        let fits = *read == self.version;
        if fits != outcome.is_ok() {
            return Err(format!(
                "write at {index} had read {read}, the settings were at {}: {outcome:?}",
                self.version
            ));
        }
        if fits {
            self.version = index;
        }
        Ok(())
    }

    /// The manager that was asked has applied the entry, which is in the log at `index` for the first time.
    pub fn acknowledged(&mut self, manager: usize, id: RequestId, index: u64) -> Checked {
        let Some((_, waiting)) = self.ends(manager, id) else {
            return Ok(());
        };
        if index <= waiting.floor {
            return Err(format!(
                "a write is at {index}, but {} was known before it was asked for",
                waiting.floor
            ));
        }
        self.acknowledged.insert(id, index);
        self.floor = self.floor.max(index);
        Ok(())
    }

    /// At the end: all that was acknowledged is still there.
    pub fn all_survive(&self, state: &View) -> Checked {
        if state.applied() < self.floor {
            return Err(format!(
                "the managers are at {}, but {} was seen",
                state.applied(),
                self.floor
            ));
        }
        // Older requests are not remembered any more.
        let recent = self
            .acknowledged
            .iter()
            .filter(|(_, index)| **index + 2000 > state.applied());
        let lost = recent.filter(|(id, _)| state.outcome(**id).is_none());
        match lost.min_by_key(|(_, index)| **index) {
            Some((id, index)) => Err(format!("the acknowledged write {id} at {index} is lost")),
            None => Ok(()),
        }
    }
}

/// A write of the settings on top of `view`, and the version it read.
fn settings(view: &View, id: RequestId, dice: &mut Dice) -> Option<(u64, Entry)> {
    let cluster = view.cluster()?;
    let mut settings = cluster.settings.clone();
    settings.task_history_limit = dice.between(2, 9) as u32;
    let (version, settings) = (cluster.version, Box::new(settings));
    let command = Command::UpdateSettings { version, settings };
    Some((version, Entry { request: id, command }))
}
