//! What the managers of a run did, taken together: entries by index, states by index, leaders by term. Whatever one of
//! them does must fit what another one did before.

use std::collections::BTreeMap;

use model::RequestId;
use store::{Event, Refused, State};

/// At every so many-th index whole states are compared; at the others what the entry touched.
const WHOLE_EVERY: u64 = 16;

/// See the module.
#[derive(Default)]
pub struct Record {
    states: BTreeMap<u64, State>,
    requests: BTreeMap<u64, RequestId>,
    /// Where each request was applied first, and whether it was carried out.
    outcomes: BTreeMap<RequestId, (u64, bool)>,
    leaders: BTreeMap<u64, u64>,
    trace: Trace,
}

/// FNV-1a (64 bits) over all that happens.
struct Trace(u64);

impl Default for Trace {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Trace {
    fn note(&mut self, number: u64) {
        self.note_bytes(&number.to_le_bytes());
    }

    fn note_bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl Record {
    /// Numbers that describe something that happened.
    pub fn note(&mut self, numbers: &[u64]) {
        numbers.iter().for_each(|number| self.trace.note(*number));
    }

    /// Bytes that were said or name what happened.
    pub fn note_bytes(&mut self, bytes: &[u8]) {
        self.trace.note_bytes(bytes);
    }

    /// Digest of all that was noted.
    pub fn trace(&self) -> u64 {
        self.trace.0
    }

    /// Entries that some manager applied.
    pub fn entries(&self) -> u64 {
        self.requests.len() as u64
    }

    /// Where a request was applied first.
    pub fn index_of(&self, request: RequestId) -> Option<u64> {
        self.outcomes.get(&request).map(|(index, _)| *index)
    }

    /// A manager applied an entry. True if that is the first time that any manager does, or did, what it asks for.
    pub fn applied(
        &mut self,
        index: u64,
        request: RequestId,
        outcome: &Result<Vec<Event>, Refused>,
    ) -> Result<bool, String> {
        let first = !self.requests.contains_key(&index);
        let known = *self.requests.entry(index).or_insert(request);
        if known != request {
            return Err(format!("two entries at index {index}: requests {known} and {request}"));
        }
        let ends = (index, outcome.is_ok());
        let (at, ended) = *self.outcomes.entry(request).or_insert(ends);
        if ended != outcome.is_ok() {
            return Err(format!(
                "request {request} ended otherwise at {at} than at {index}: {outcome:?}"
            ));
        }
        let again = at < index && outcome.as_ref().is_ok_and(|events| !events.is_empty());
        if again {
            return Err(format!(
                "request {request} was carried out at {at} and again at {index}"
            ));
        }
        Ok(first && at == index)
    }

    /// A manager is at `state` now; `events` say what brought it there, nothing if it came as a snapshot. True if no
    /// manager was there before.
    pub fn reached(&mut self, state: &State, events: Option<&[Event]>) -> Result<bool, String> {
        let index = state.applied();
        let Some(known) = self.states.get(&index) else {
            self.states.insert(index, state.clone());
            return Ok(true);
        };
        let equal = match events {
            Some(events) if !index.is_multiple_of(WHOLE_EVERY) => {
                events.iter().all(|event| same_object(known, state, *event))
            }
            _ => known == state,
        };
        if equal {
            Ok(false)
        } else {
            Err(format!("two states at index {index}"))
        }
    }

    /// The state at an index, if some manager rested there.
    pub fn state_at(&self, index: u64) -> Option<&State> {
        self.states.get(&index)
    }

    /// Whether no manager has been further.
    pub fn is_latest(&self, index: u64) -> bool {
        self.states.last_key_value().is_none_or(|(latest, _)| *latest <= index)
    }

    /// A manager says that it leads. True if it does so for the first time in this term.
    pub fn leads(&mut self, term: u64, member: u64) -> Result<bool, String> {
        match self.leaders.insert(term, member) {
            None => Ok(true),
            Some(known) if known == member => Ok(false),
            Some(known) => Err(format!("term {term} has two leaders: {known} and {member}")),
        }
    }
}

fn same_object(a: &State, b: &State, event: Event) -> bool {
    match event {
        Event::Cluster => a.cluster() == b.cluster(),
        Event::Node(id) => a.node(id) == b.node(id),
        Event::Network(id) => a.network(id) == b.network(id),
        Event::Service(id) => a.service(id) == b.service(id),
        Event::Payload { id, .. } => a.payload(id) == b.payload(id),
        Event::Task { task, .. } => a.task(task) == b.task(task),
    }
}
