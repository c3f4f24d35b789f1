//! Snapshots.

use store::State;

/// Bytes that are read as a snapshot give a state that survives a round trip, and with an equal checksum.
pub fn snapshot(bytes: &[u8]) {
    let Ok(state) = State::decode(bytes) else { return };
    carries(&state);
}

/// A snapshot of `state` gives the same state, indexes included.
pub(crate) fn carries(state: &State) {
    let again = state.encode().and_then(|bytes| State::decode(&bytes));
    assert_eq!(again.as_ref(), Ok(state), "a state survives a snapshot");
    let checksum = again.and_then(|again| again.checksum());
    assert_eq!(checksum, state.checksum(), "equal states have equal checksums");
}
