//! How a member begins from what is on its disk.

use raft::{Config, RawNode, ReadOnlyOption};
use store::State;

use super::{
    disk::Saved,
    effect::{ReplicaError, raft_error},
    log::Log,
};

/// Ticks without a leader until a member campaigns; the raft crate draws from this up to twice this.
const ELECTION_TICKS: usize = 10;
/// Ticks between a leader's heartbeats.
const HEARTBEAT_TICKS: usize = 2;
/// Bytes per append message.
const MAX_MESSAGE_BYTES: u64 = 1 << 20;
/// Bytes of entries that a leader takes in before they are committed; what comes then waits outside, and is tried again.
const MAX_UNCOMMITTED_BYTES: u64 = 64 << 20;

/// Raft's part and the state as of the snapshot that was saved.
pub(super) fn member_of(saved: Saved) -> Result<(RawNode<Log>, State), ReplicaError> {
    let state = match saved.snapshot.get_metadata().index {
        // One that joins and has not heard of its leader yet.
        0 => State::default(),
        _ => State::decode(&saved.snapshot.data)?,
    };
    let config = Config {
        id: saved.member,
        election_tick: ELECTION_TICKS,
        heartbeat_tick: HEARTBEAT_TICKS,
        applied: saved.snapshot.get_metadata().index,
        max_size_per_msg: MAX_MESSAGE_BYTES,
        max_uncommitted_size: MAX_UNCOMMITTED_BYTES,
        check_quorum: true,
        pre_vote: true,
        read_only_option: ReadOnlyOption::Safe,
        ..Config::default()
    };
    let quiet = slog::Logger::root(slog::Discard, slog::o!());
    let node = RawNode::new(&config, Log::of(saved), &quiet).map_err(raft_error)?;
    Ok((node, state))
}
