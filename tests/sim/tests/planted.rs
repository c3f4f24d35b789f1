//! Every checker finds what it is there for: with a bug planted in the product, some seed among the first few fails, and
//! in the words of the checker that is meant to see it. `cargo test -p sim --features planted`.

use std::io::Write as _;

use manager::raft::{Effect, Replica};
use planted::Bug;
use protobuf::Message as _;
use raft::eraftpb::{Message, MessageType};

/// Runs seeds with the bug until one fails in words that one of `words` is part of. A bug may show first where another
/// checker sees it; such seeds do not count.
fn caught(bug: Bug, seeds: impl Iterator<Item = u64>, words: &[&str]) {
    let mut others = 0;
    for (tried, seed) in (1..).zip(seeds) {
        let Err(failure) = planted::with(bug, || sim::run(seed)) else {
            continue;
        };
        let why = failure.why.lines().next().unwrap_or_default();
        if !words.iter().any(|word| why.contains(word)) {
            others += 1;
            continue;
        }
        let line = format!("planted: {bug:?}: found by seed {seed} (the {tried}. tried, {others} by others): {why}");
        // Not by `println!`, which the test harness keeps to itself.
        let _ = writeln!(std::io::stdout(), "{line}");
        return;
    }
    panic!("{bug:?} was not found by its checker ({others} seeds failed by others)");
}

/// What is seen of a log that has lost what it had acknowledged; the last three are words of raft's own panics, of a
/// member that is told of a commit behind its end, or of another entry there.
const FORGOTTEN: [&str; 8] = [
    "two entries",
    "two states",
    "the acknowledged write",
    "known before",
    "was seen",
    "out of range",
    "out of bound",
    "conflict with committed entry",
];

#[test]
fn planted_stale_read() {
    caught(Bug::StaleRead, 1..50, &["stale read"]);
}

#[test]
fn planted_disk_error_that_is_ignored() {
    caught(Bug::DiskErrorIgnored, 1..50, &FORGOTTEN);
}

/// In the seeds whose logs are on files.
#[test]
fn planted_skipped_sync() {
    caught(Bug::SkippedSync, (0..20).map(|n| 37 * n + 7), &FORGOTTEN);
}

#[test]
fn planted_two_apply_paths() {
    caught(
        Bug::TwoApplyPaths,
        1..50,
        &["two states", "ended otherwise", "who follows is not told"],
    );
}

#[test]
fn planted_snapshot_that_forgets() {
    caught(Bug::SnapshotForgets, 1..50, &["two states"]);
}

#[test]
fn planted_repeated_request() {
    caught(Bug::RepeatedRequest, 1..50, &["ended otherwise", "and again at"]);
}

#[test]
fn planted_lost_update() {
    caught(Bug::LostUpdate, 1..50, &["write at"]);
}

#[test]
fn planted_doubled_address() {
    caught(Bug::DoubledAddress, 1..50, &["is held by"]);
}

#[test]
fn planted_leaked_assignment() {
    caught(Bug::LeakedAssignment, 1..50, &["not its own"]);
}

#[test]
fn planted_leaked_secret() {
    // Or first: a node was told before, and has less than it would be told now.
    let words = ["is told payloads of others", "missing [\"PayloadView"];
    caught(Bug::LeakedSecret, 1..50, &words);
}

#[test]
fn planted_replacement_that_does_not_wait() {
    caught(Bug::ReplacementDoesNotWait, 1..50, &["runs twice"]);
}

#[test]
fn planted_task_that_goes_back() {
    caught(Bug::TaskGoesBack, 1..50, &["goes back from"]);
}

#[test]
fn planted_backends_of_a_dead_node() {
    // Or first: such a backend's address is somebody else's by then.
    caught(
        Bug::DeadBackendsKept,
        1..50,
        &["serves but does not run", "is given to"],
    );
}

#[test]
fn planted_frontends_before_their_backends() {
    caught(Bug::FrontendsFirst, (1..10).map(|n| 25 * n), &["frontend"]);
}

#[test]
fn planted_changes_of_another_view() {
    caught(Bug::DeltaOverGap, 1..50, &["wrong view", "of no state"]);
}

#[test]
fn planted_raft_id_of_another() {
    // Or first: the one that had it before goes on with it.
    caught(Bug::RaftIdReused, 1..200, &["is used again", "was let go and runs on"]);
}

#[test]
fn planted_member_that_leaves_without_a_majority() {
    caught(Bug::QuorumNotKept, 1..200, &["costs the quorum"]);
}

#[test]
fn planted_vote_before_it_has_come() {
    caught(Bug::VoteTooEarly, 1..200, &["costs the quorum"]);
}

#[test]
fn planted_overlapping_changes_of_the_membership() {
    caught(Bug::ChangesOverlap, 1..200, &["two changes of the membership"]);
}

#[test]
fn planted_member_that_leaves_the_state_only() {
    caught(Bug::HalfDismissed, 1..200, &["raft has the members"]);
}

#[test]
fn planted_nothing_rests() {
    caught(Bug::NothingRests, 1..1000, &["which may run, is given"]);
}

#[test]
fn planted_tasks_given_up_at_once() {
    caught(Bug::OrphanedAtOnce, 1..200, &["is given up, but its node"]);
}

/// A vote request of a candidate, encoded.
fn vote_request(from: u64, term: u64) -> Vec<u8> {
    let mut message = Message::default();
    message.set_msg_type(MessageType::MsgRequestVote);
    (message.from, message.to, message.term) = (from, 1, term);
    (message.index, message.log_term) = (100, term - 1);
    message.write_to_bytes().unwrap()
}

/// Whom a member of three votes for, of two candidates of one term with a restart in between.
fn votes() -> Vec<u64> {
    let disk = sim::member_of_three().unwrap();
    let mut votes = Vec::new();
    for candidate in [2, 3] {
        let mut replica = Replica::start(disk.clone()).unwrap();
        replica.step(&vote_request(candidate, 9));
        for effect in replica.advance().unwrap() {
            let Effect::Send { to, message, .. } = effect else {
                continue;
            };
            let mut answer = Message::default();
            answer.merge_from_bytes(&message).unwrap();
            if answer.get_msg_type() == MessageType::MsgRequestVoteResponse && !answer.reject {
                votes.push(to);
            }
        }
    }
    votes
}

/// Two candidates of one term and a restart between them are rare in the simulation, so they are made here.
#[test]
fn planted_forgotten_vote() {
    assert_eq!(votes(), [2], "one vote per term");
    let twice = planted::with(Bug::VoteForgotten, votes);
    let _ = writeln!(
        std::io::stdout(),
        "planted: VoteForgotten: found by one vote per term: votes for {twice:?}"
    );
    assert_eq!(twice, [2, 3]);
}
