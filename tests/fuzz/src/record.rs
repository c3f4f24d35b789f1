//! Log records.

use store::Entry;

use crate::base;

/// Bytes that are read as a log record are applied to a cluster: a record that is refused changes no object, one that
/// is taken leaves a state that a snapshot carries whole.
pub fn record(bytes: &[u8]) {
    let Ok(entry) = Entry::decode(bytes) else { return };
    let again = entry.encode().and_then(|bytes| Entry::decode(&bytes));
    assert_eq!(again.as_ref(), Ok(&entry), "a record survives a round trip");

    let before = &base::cluster().0;
    let mut after = before.clone();
    let taken = after.apply(before.applied() + 1, entry);
    if taken.is_err() {
        assert!(after.tasks().eq(before.tasks()), "a refused record changes no task");
        assert!(
            after.services().eq(before.services()),
            "a refused record changes no service"
        );
        assert!(
            after.networks().eq(before.networks()),
            "a refused record changes no network"
        );
        assert!(after.nodes().eq(before.nodes()), "a refused record changes no node");
        assert_eq!(after.cluster(), before.cluster(), "a refused record changes no setting");
    }
    crate::snapshot::carries(&after);
}
