//! Every cut: a member's life is recorded operation by operation, then the power goes at every byte of its last
//! transactions, and at arbitrary points with lost, reordered and torn pages. After each cut the disk must open, hold all
//! that was acknowledged, and nothing half.
//!
//! `cargo test` plays a short form; `NETCTL_CUTS=N` asks for N arbitrary cuts and for every byte. `NETCTL_CUT_SEED=S` is
//! another life, cut elsewhere; a failure names its seed.

use protobuf::Message as _;
use raft::eraftpb::{Entry, HardState, Snapshot};
use seal::{Keyring, Keys};

use super::{
    replay::Replay,
    tape::{Dice, Tape},
    *,
};

/// Steps of the recorded life.
const STEPS: usize = 60;
/// The last of them, which are cut at every byte.
const LAST: usize = 3;
const SHORT_CUTS: usize = 1000;
/// In the short form: every sector's border and the bytes beside it, not every byte.
const SHORT_STRIDE: usize = 512;
/// The seed if none is asked for.
const SEED: u64 = 7;
/// So that the dice of the cuts are not those of the life.
const CUT_DICE: u64 = 0x6375_7473;

fn on(tape: &Tape, keyring: Keyring) -> RedbDisk {
    let tape = tape.clone();
    let open = move |faults| database(tape.clone(), faults);
    RedbDisk::over("tape".to_owned(), Box::new(open), keyring)
}

/// What the disk must hold after `position` operations.
struct Acknowledged {
    position: usize,
    content: Vec<u8>,
}

/// A life: its operations, and after each step what was acknowledged.
struct Life {
    /// What the dice started from.
    seed: u64,
    tape: Tape,
    keyring: Keyring,
    acknowledged: Vec<Acknowledged>,
}

fn content(saved: &Saved) -> Vec<u8> {
    let mut bytes = saved.member.to_le_bytes().to_vec();
    bytes.extend(saved.hard_state.write_to_bytes().unwrap());
    bytes.extend(saved.snapshot.write_to_bytes().unwrap());
    for entry in &saved.entries {
        bytes.extend(entry.write_to_bytes().unwrap());
    }
    bytes
}

fn snapshot(index: u64, term: u64, size: usize) -> Snapshot {
    let mut snapshot = Snapshot::default();
    snapshot.set_data(vec![index as u8; size].into());
    snapshot.mut_metadata().index = index;
    snapshot.mut_metadata().term = term;
    snapshot.mut_metadata().mut_conf_state().voters = vec![1, 2, 3];
    snapshot
}

fn entry(index: u64, term: u64, size: usize) -> Entry {
    Entry {
        index,
        term,
        data: vec![index as u8; size].into(),
        ..Entry::default()
    }
}

impl Life {
    /// Appends, overwrites, commits, snapshots, installs, a key rotation; kept in step with a plain model of the disk.
    fn recorded(seed: u64) -> Self {
        let (tape, keyring) = (Tape::default(), Keyring::new(Keys::fresh()));
        let mut model = crate::raft::MemoryDisk::of(Saved {
            member: 1,
            snapshot: snapshot(1, 1, 100),
            hard_state: HardState {
                term: 1,
                commit: 1,
                ..HardState::default()
            },
            entries: Vec::new(),
        });
        let mut disk = on(&tape, keyring.clone()).begin(&model.load().unwrap()).unwrap();
        let mut life = Self {
            seed,
            acknowledged: Vec::new(),
            tape,
            keyring,
        };
        life.acknowledge(&mut model);
        let mut dice = Dice(seed);
        for step in 0..STEPS {
            if step == STEPS / 2 {
                life.keyring.replace(life.keyring.keys().rotated());
            }
            life.step(step, &mut model, &mut disk, &mut dice);
        }
        life
    }

    fn step(&mut self, step: usize, model: &mut crate::raft::MemoryDisk, disk: &mut RedbDisk, dice: &mut Dice) {
        let now = model.load().unwrap();
        let (term, start) = (now.hard_state.term, now.snapshot.get_metadata().index);
        let last = now.entries.last().map_or(start, |entry| entry.index);
        let (mut term, mut from) = (term, last + 1);
        if dice.below(5) == 0 {
            // Another leader overwrites what was not committed.
            term += 1;
            from = (now.hard_state.commit + 1).max(last.saturating_sub(2));
        }
        let count = dice.below(6) as u64;
        let entries: Vec<Entry> = (from..from + count)
            .map(|index| entry(index, term, dice.below(3000)))
            .collect();
        let end = entries.last().map_or(last, |entry| entry.index);
        let hard_state = HardState {
            term,
            commit: now.hard_state.commit.max(end.saturating_sub(dice.below(3) as u64)),
            ..HardState::default()
        };
        let size = if step == 7 {
            (1 << 20) + 5000
        } else {
            dice.below(20_000)
        };
        let made = (step % 8 == 7).then(|| snapshot(now.hard_state.commit, term, size));
        let write = match &made {
            Some(made) => DiskWrite {
                hard_state: Some(&now.hard_state),
                snapshot: Some(made),
                keep_from: Some(now.hard_state.commit.saturating_sub(3)),
                entries: &[],
            },
            None => DiskWrite {
                hard_state: Some(&hard_state),
                entries: &entries,
                ..DiskWrite::default()
            },
        };
        disk.write(&write).unwrap();
        model.write(&write).unwrap();
        self.acknowledge(model);
    }

    /// So many points to cut at, in order, and the dice for what is lost there.
    fn arbitrary(&self, count: usize) -> (Vec<usize>, Dice) {
        let mut dice = Dice(self.seed ^ CUT_DICE);
        let (first, last) = (self.acknowledged[0].position, self.tape.position());
        let mut cuts: Vec<usize> = (0..count).map(|_| first + dice.below(last + 1 - first)).collect();
        cuts.sort_unstable();
        (cuts, dice)
    }

    fn acknowledge(&mut self, model: &mut crate::raft::MemoryDisk) {
        self.acknowledged.push(Acknowledged {
            position: self.tape.position(),
            content: content(&model.load().unwrap()),
        });
    }

    /// Opens what a cut after `cut` operations left. It must be what was acknowledged last, or the step after it.
    fn check(&self, cut: usize, bytes: Vec<u8>, what: &str) {
        let what = format!("NETCTL_CUT_SEED={}: {what}", self.seed);
        let done = self.acknowledged.iter().rposition(|state| state.position <= cut);
        let Some(done) = done else { return };
        let mut disk = on(&Tape::of(bytes), self.keyring.clone());
        let saved = disk.load().unwrap_or_else(|why| panic!("{what}: {why}"));
        let found = content(&saved);
        let allowed = self.acknowledged.iter().skip(done).take(2);
        let position = allowed.into_iter().position(|state| state.content == found);
        assert!(
            position.is_some(),
            "{what}: after step {done} the disk holds something else"
        );
        // And it can be written on.
        let again = HardState {
            vote: 3,
            ..saved.hard_state.clone()
        };
        let write = DiskWrite {
            hard_state: Some(&again),
            ..DiskWrite::default()
        };
        disk.write(&write).unwrap_or_else(|why| panic!("{what}: {why}"));
        assert_eq!(disk.load().unwrap().hard_state.vote, 3, "{what}");
    }
}

fn wanted() -> Option<usize> {
    std::env::var("NETCTL_CUTS").ok()?.parse().ok()
}

/// The seed that is asked for.
fn seed() -> u64 {
    let given = std::env::var("NETCTL_CUT_SEED").ok();
    given.map_or(SEED, |text| text.parse().expect("NETCTL_CUT_SEED is a number"))
}

#[test]
fn another_seed_is_another_life_cut_elsewhere() {
    let of = |seed| {
        let life = Life::recorded(seed);
        let last = &life.acknowledged[life.acknowledged.len() - 1];
        (last.content.clone(), life.arbitrary(20).0)
    };
    let [(one, cuts), (same, same_cuts), (other, other_cuts)] = [SEED, SEED, SEED + 1].map(of);
    assert!(one == same && cuts == same_cuts);
    assert!(one != other && cuts != other_cuts);
}

#[test]
fn every_byte_of_the_last_transactions() {
    let life = Life::recorded(seed());
    let ops = life.tape.ops();
    let first = life.acknowledged[life.acknowledged.len() - 1 - LAST].position;
    let stride = wanted().map_or(SHORT_STRIDE, |_| 1);
    let (mut replay, mut cuts) = (Replay::of(&ops), 0);
    for cut in first..=ops.len() {
        let length = match ops.get(cut) {
            Some(tape::Op::Write { data, .. }) => data.len(),
            _ => 0,
        };
        let edges = (0..=length).filter(|byte| byte % stride <= 1 || byte + 1 == length || *byte == length);
        for byte in edges {
            life.check(
                cut,
                replay.in_order(cut, byte),
                &format!("cut after {cut} operations and {byte} bytes"),
            );
            cuts += 1;
        }
    }
    println!("power cuts: {cuts} bytewise, of the last {LAST} of {STEPS} transactions");
    assert!(cuts > 30, "only {cuts} cuts");
}

#[test]
fn arbitrary_cuts_with_lost_and_torn_pages() {
    let life = Life::recorded(seed());
    let ops = life.tape.ops();
    let (cuts, mut dice) = life.arbitrary(wanted().unwrap_or(SHORT_CUTS));
    let mut replay = Replay::of(&ops);
    for (number, cut) in cuts.iter().enumerate() {
        let disk = replay.torn(*cut, &mut dice);
        life.check(*cut, disk, &format!("arbitrary cut {number} after {cut} operations"));
    }
    println!("power cuts: {} arbitrary, with lost and torn pages", cuts.len());
}

#[test]
fn a_sync_that_is_skipped_would_be_noticed() {
    // The checker itself: without syncs the same cuts must lose what was acknowledged.
    let life = Life::recorded(SEED);
    let ops: Vec<_> = life
        .tape
        .ops()
        .into_iter()
        .filter(|op| !matches!(op, tape::Op::Sync))
        .collect();
    let mut dice = Dice(5);
    let lost = (0..20).filter(|_| {
        let disk = Replay::of(&ops).torn(ops.len(), &mut dice);
        let mut disk = on(&Tape::of(disk), life.keyring.clone());
        let last = &life.acknowledged[life.acknowledged.len() - 1].content;
        disk.load().map_or(true, |saved| content(&saved) != *last)
    });
    assert!(lost.count() > 10);
}

#[cfg(feature = "planted")]
#[test]
fn planted_skipped_sync() {
    let life = planted::with(planted::Bug::SkippedSync, || Life::recorded(SEED));
    let ops = life.tape.ops();
    let ((cuts, mut dice), mut replay) = (life.arbitrary(50), Replay::of(&ops));
    let found = cuts.iter().position(|cut| {
        let disk = replay.torn(*cut, &mut dice);
        let check = std::panic::AssertUnwindSafe(|| life.check(*cut, disk, "cut"));
        std::panic::catch_unwind(check).is_err()
    });
    use std::io::Write as _;
    let _ = writeln!(
        std::io::stdout(),
        "planted: SkippedSync: found by power cut {found:?} of 50 with lost pages"
    );
    assert!(found.is_some(), "a skipped sync is not found");
}
