//! What clients did and saw.

/// One call of one client on one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Who called; a client has one call at a time.
    pub client: u32,
    /// Nanoseconds on the one monotonic clock of the run at which the call was made.
    pub call: u64,
    /// What came of it.
    pub event: Event,
}

/// What was called and what came of it. `back` is when the answer was there, on the clock of `call`.
///
/// Reads without an answer say nothing and are not recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A read, answered.
    Read {
        /// Version of the object that was shown.
        version: u64,
        /// Its value.
        value: u64,
        /// When.
        back: u64,
    },
    /// A write on top of `expected`, acknowledged.
    Written {
        /// The version that the writer had seen.
        expected: u64,
        /// What it wrote; no two writes of a history write the same.
        value: u64,
        /// The version that the write made, if the answer told.
        version: Option<u64>,
        /// When.
        back: u64,
    },
    /// A write on top of `expected`, refused because the object had another version.
    Refused {
        /// The version that the writer had seen.
        expected: u64,
        /// When.
        back: u64,
    },
    /// A call, answered as if the object were not there, or were none of a register. Every register was made before the
    /// first call and stays: no order explains this.
    Missing {
        /// When.
        back: u64,
    },
    /// A write whose answer never came: it took effect at any time after the call, or never will.
    Unknown {
        /// The version that the writer had seen.
        expected: u64,
        /// What it wrote.
        value: u64,
    },
}

impl Operation {
    /// When the answer was there, if there was one.
    pub fn back(&self) -> Option<u64> {
        match self.event {
            Event::Read { back, .. }
            | Event::Written { back, .. }
            | Event::Refused { back, .. }
            | Event::Missing { back } => Some(back),
            Event::Unknown { .. } => None,
        }
    }
}
