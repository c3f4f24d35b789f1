//! The log of a cluster with one manager: entries are durable before they are applied; a snapshot now and then.

use store::{Entry, State};

/// How many entries are applied between snapshots.
const SNAPSHOT_EVERY: usize = 40;

/// What is on the manager's disk.
#[derive(Debug, Default)]
pub struct Journal {
    snapshot: Option<Vec<u8>>,
    /// Index and bytes of the entries behind the snapshot.
    entries: Vec<(u64, Vec<u8>)>,
    last: u64,
}

impl Journal {
    /// Makes an entry durable; its index.
    pub fn append(&mut self, bytes: Vec<u8>) -> u64 {
        self.last += 1;
        self.entries.push((self.last, bytes));
        self.last
    }

    /// Replaces the entries by a snapshot, if there are enough.
    pub fn compact(&mut self, state: &State) -> Result<(), String> {
        if self.entries.len() >= SNAPSHOT_EVERY && state.applied() == self.last {
            self.snapshot = Some(state.encode().map_err(|e| e.to_string())?);
            self.entries.clear();
        }
        Ok(())
    }

    /// The state as a manager that starts anew finds it.
    pub fn replay(&self) -> Result<State, String> {
        let mut state = match &self.snapshot {
            Some(bytes) => State::decode(bytes).map_err(|e| e.to_string())?,
            None => State::default(),
        };
        for (index, bytes) in &self.entries {
            let entry = Entry::decode(bytes).map_err(|e| e.to_string())?;
            let _refused = state.apply(*index, entry);
        }
        Ok(state)
    }
}
