//! Log records.

use store::{Entry, State};

use crate::base;

/// Bytes that are read as a log record are applied to a cluster: a record that is refused changes no object, one that
/// is taken leaves a state that a snapshot carries whole.
pub fn record(bytes: &[u8]) {
    let Ok(entry) = Entry::decode(bytes) else { return };
    let again = entry.encode().and_then(|bytes| Entry::decode(&bytes));
    assert_eq!(again.as_ref(), Ok(&entry), "a record survives a round trip");

    crate::snapshot::carries(&applied(&base::cluster().0, entry));
}

/// The state after an entry; where that was refused, all objects are as they were.
pub(crate) fn applied(before: &State, entry: Entry) -> State {
    let mut after = before.clone();
    if after.apply(before.applied() + 1, entry).is_err() {
        let same = [
            ("task", after.tasks().eq(before.tasks())),
            ("service", after.services().eq(before.services())),
            ("network", after.networks().eq(before.networks())),
            ("node", after.nodes().eq(before.nodes())),
            ("payload", after.payloads().eq(before.payloads())),
            ("token", after.limited_tokens().eq(before.limited_tokens())),
            ("setting", after.cluster() == before.cluster()),
            ("root", after.root_rotation() == before.root_rotation()),
        ];
        for (what, same) in same {
            assert!(same, "a refused record changes no {what}");
        }
    }
    after
}
