//! The switchboard of planted bugs: each is one line in the product, compiled in only with the feature `planted`, which no
//! crate has by default and no release is built with (`cargo xtask check` sees to that). The tests of the simulation plant
//! one after the other and demand that a checker finds it.

use std::cell::Cell;

/// What can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A read is answered from the state at hand, without asking whether it is the latest.
    StaleRead,
    /// A write to disk that failed counts as done.
    DiskErrorIgnored,
    /// The log is not synced to disk.
    SkippedSync,
    /// A member that starts again does not know whom it voted for.
    VoteForgotten,
    /// A follower leaves out what the leader applies.
    TwoApplyPaths,
    /// A snapshot leaves out where the search for addresses goes on.
    SnapshotForgets,
    /// A request that was carried out is carried out again when it is repeated.
    RepeatedRequest,
    /// A write is taken whatever version it read.
    LostUpdate,
    /// An address that is taken is given again.
    DoubledAddress,
    /// A node is told tasks of another one.
    LeakedAssignment,
    /// A node is told the secrets and configs of all others.
    LeakedSecret,
    /// A replacement starts beside what it replaces.
    ReplacementDoesNotWait,
    /// A late report sets a task's state back.
    TaskGoesBack,
    /// Tasks on a dead node go on serving.
    DeadBackendsKept,
    /// Kernel tables are written front to back.
    FrontendsFirst,
    /// Changes are applied to another view than the one that they change.
    DeltaOverGap,
    /// A manager gets a raft id that another one had.
    RaftIdReused,
    /// A member leaves raft whether the others have a majority or not.
    QuorumNotKept,
    /// A member votes before it has come and caught up.
    VoteTooEarly,
    /// A change of the membership is asked for while another one is under way.
    ChangesOverlap,
    /// A member leaves the state and stays in raft.
    HalfDismissed,
    /// What a removed service or network had is free at once.
    NothingRests,
    /// Tasks of a node that is down are given up at once.
    OrphanedAtOnce,
}

thread_local! {
    static PRESENT: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Whether `bug` is planted on this thread.
pub fn is(bug: Bug) -> bool {
    PRESENT.get() == Some(bug)
}

/// The result, or all is well with `bug`.
///
/// # Errors
/// What was in the result, unless `bug` is planted.
pub fn forgive<E>(bug: Bug, result: Result<(), E>) -> Result<(), E> {
    if is(bug) { Ok(()) } else { result }
}

/// The value, or with `bug` another one if there is one.
pub fn instead<T>(bug: Bug, value: T, other: impl FnOnce() -> Option<T>) -> T {
    if is(bug) { other().unwrap_or(value) } else { value }
}

/// Does `work` with `bug` planted on this thread.
pub fn with<T>(bug: Bug, work: impl FnOnce() -> T) -> T {
    PRESENT.set(Some(bug));
    let result = work();
    PRESENT.set(None);
    result
}
