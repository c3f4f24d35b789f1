//! Sealing, damage and a full disk.

use std::os::unix::fs::PermissionsExt as _;

use raft::eraftpb::{Entry, HardState, Snapshot};
use redb::ReadableDatabase as _;
use seal::{Keyring, Keys};

use super::{tape::Tape, *};
use crate::raft::Replica;

const SECRET: &[u8] = b"the cluster's root key";

fn first() -> Saved {
    let mut saved = Replica::<RedbDisk>::first_member(7).unwrap();
    saved.snapshot.set_data(SECRET.to_vec().into());
    saved
}

fn entry(index: u64) -> Entry {
    Entry {
        index,
        term: 1,
        data: SECRET.to_vec().into(),
        ..Entry::default()
    }
}

fn append(disk: &mut RedbDisk, index: u64) -> Result<(), DiskError> {
    let hard_state = HardState {
        term: 1,
        commit: index,
        ..HardState::default()
    };
    disk.write(&DiskWrite {
        hard_state: Some(&hard_state),
        entries: &[entry(index)],
        ..DiskWrite::default()
    })
}

fn on(tape: &Tape, keyring: Keyring) -> RedbDisk {
    let tape = tape.clone();
    RedbDisk::over(
        "tape".to_owned(),
        Box::new(move |faults| database(tape.clone(), faults)),
        keyring,
    )
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn nothing_is_in_clear_and_only_root_may_read() {
    let folder = tempfile::tempdir().unwrap();
    let (path, keyring) = (folder.path().join("raft/raft.redb"), Keyring::new(Keys::fresh()));
    let mut disk = RedbDisk::create(&path, &first(), keyring.clone()).unwrap();
    append(&mut disk, 2).unwrap();
    drop(disk);
    let bytes = fs::read(&path).unwrap();
    assert!(!contains(&bytes, SECRET) && !contains(&bytes, &SECRET[4..16]));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(
        fs::read_dir(path.parent().unwrap()).unwrap().count(),
        1,
        "no draft stays"
    );
    let saved = RedbDisk::open(&path, keyring.clone()).unwrap().load().unwrap();
    assert_eq!((saved.member, saved.entries.len()), (7, 1));
    assert_eq!(saved.entries[0].data, SECRET);
    let again = RedbDisk::create(&path, &first(), keyring).unwrap_err();
    assert!(again.to_string().contains("is there already"), "{again}");
    let foreign = RedbDisk::open(&path, Keyring::new(Keys::fresh()))
        .unwrap()
        .load()
        .unwrap_err();
    assert!(foreign.to_string().contains("another key"), "{foreign}");
}

#[test]
fn a_member_that_was_told_nothing_yet_opens() {
    let folder = tempfile::tempdir().unwrap();
    let (path, keyring) = (folder.path().join("raft/raft.redb"), Keyring::new(Keys::fresh()));
    let nothing = Saved {
        member: 7,
        ..Saved::default()
    };
    drop(RedbDisk::create(&path, &nothing, keyring.clone()).unwrap());
    let saved = RedbDisk::open(&path, keyring).unwrap().load().unwrap();
    assert_eq!(
        (saved.member, saved.snapshot, saved.entries.len()),
        (7, nothing.snapshot, 0)
    );
}

#[test]
fn a_rotated_key_seals_everything_anew_at_the_next_write() {
    let (tape, keyring) = (Tape::default(), Keyring::new(Keys::fresh()));
    keyring.set_beside(None);
    let mut disk = on(&tape, keyring.clone()).begin(&first()).unwrap();
    append(&mut disk, 2).unwrap();
    keyring.replace(keyring.keys().rotated());
    assert_eq!(keyring.oldest_in_use(), KeyId(1));
    append(&mut disk, 3).unwrap();
    assert_eq!(keyring.oldest_in_use(), KeyId(2));
    drop(disk);
    keyring.replace(keyring.keys().from(KeyId(2)));
    let saved = on(&tape, keyring).load().unwrap();
    assert_eq!((saved.member, saved.entries.len()), (7, 2));
    assert_eq!(saved.snapshot.data, SECRET);
}

/// Changes rows behind the disk's back.
fn tampered(change: impl FnOnce(&redb::WriteTransaction)) -> DiskError {
    let (tape, keyring) = (Tape::default(), Keyring::new(Keys::fresh()));
    let mut disk = on(&tape, keyring.clone()).begin(&first()).unwrap();
    (2..6).for_each(|index| append(&mut disk, index).unwrap());
    let transaction = disk.database().unwrap().begin_write().unwrap();
    change(&transaction);
    transaction.commit().unwrap();
    disk.load().unwrap_err()
}

fn row(transaction: &redb::WriteTransaction, index: u64) -> Vec<u8> {
    let log = transaction.open_table(LOG).unwrap();
    redb::ReadableTable::get(&log, index).unwrap().unwrap().value().to_vec()
}

#[test]
fn rows_that_were_moved_changed_or_taken_away_are_named_with_the_way_out() {
    let moved = tampered(|t| {
        let other = row(t, 4);
        t.open_table(LOG).unwrap().insert(3, other.as_slice()).unwrap();
    });
    let changed = tampered(|t| {
        let mut bytes = row(t, 3);
        bytes[60] ^= 1;
        t.open_table(LOG).unwrap().insert(3, bytes.as_slice()).unwrap();
    });
    let taken = tampered(|t| drop(t.open_table(LOG).unwrap().remove(3).unwrap()));
    let cut = tampered(|t| drop(t.open_table(LOG).unwrap().remove(5).unwrap()));
    let bare = tampered(|t| t.open_table(SNAPSHOT).unwrap().retain(|_, _| false).unwrap());
    for (error, record) in [
        (moved, "entry 3"),
        (changed, "entry 3"),
        (taken, "entry 4"),
        (cut, "commit index 5"),
        (bare, "the snapshot"),
    ] {
        let words = error.to_string();
        assert!(matches!(error, DiskError::Broken { .. }), "{words}");
        for part in ["tape is damaged", record, "copy of the data folder", "swarm leave"] {
            assert!(words.contains(part), "{part}: {words}");
        }
    }
}

#[test]
fn another_format_is_refused() {
    let error = tampered(|t| {
        let mut meta = t.open_table(META).unwrap();
        meta.insert(FORMAT_KEY, 9u64.to_le_bytes().as_slice()).unwrap();
    });
    assert!(
        matches!(
            error,
            DiskError::Format {
                found: 9,
                known: FORMAT,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn damage_anywhere_is_an_error_or_harmless_never_a_panic() {
    let (tape, keyring) = (Tape::default(), Keyring::new(Keys::fresh()));
    let mut disk = on(&tape, keyring.clone()).begin(&first()).unwrap();
    (2..40).for_each(|index| append(&mut disk, index).unwrap());
    drop(disk);
    let bytes = tape.bytes();
    let used: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0 || *at < 512).collect();
    let mut dice = tape::Dice(3);
    let (mut refused, mut harmless) = (0, 0);
    for round in 0..400 {
        let mut damaged = bytes.clone();
        match round % 4 {
            0 => damaged.truncate(dice.below(bytes.len())),
            _ => damaged[used[dice.below(used.len())]] ^= 1 << dice.below(8),
        }
        match on(&Tape::of(damaged), keyring.clone()).load() {
            Err(error) => {
                assert!(!error.is_full(), "{error}");
                refused += 1;
            }
            Ok(saved) => {
                // A page that nothing uses, or the last step is taken for one that was cut.
                assert!(saved.entries.len() >= 37, "{} entries", saved.entries.len());
                harmless += 1;
            }
        }
    }
    println!("damaged files: {refused} refused, {harmless} harmless");
    assert!(refused > 100);
}

#[test]
fn a_full_disk_is_told_apart_changes_nothing_and_heals() {
    let (tape, keyring) = (Tape::default(), Keyring::new(Keys::fresh()));
    let mut disk = on(&tape, keyring.clone()).begin(&first()).unwrap();
    tape.fill();
    let mut written = 1;
    let full = loop {
        match append(&mut disk, written + 1) {
            Ok(()) => written += 1,
            Err(why) => break why,
        }
        assert!(written < 100_000);
    };
    assert!(full.is_full(), "{full}");
    assert!(append(&mut disk, written + 1).unwrap_err().is_full(), "still");
    let saved = disk.load().unwrap();
    assert_eq!(
        saved.entries.len() as u64,
        written - 1,
        "what was acknowledged, and no more"
    );
    tape.mend();
    append(&mut disk, written + 1).unwrap();
    drop(disk);
    assert_eq!(on(&tape, keyring).load().unwrap().entries.len() as u64, written);
}

#[test]
fn a_sync_that_fails_is_for_good() {
    let (tape, keyring) = (Tape::default(), Keyring::new(Keys::fresh()));
    let mut disk = on(&tape, keyring).begin(&first()).unwrap();
    tape.set_sync_fails(true);
    assert!(matches!(append(&mut disk, 2), Err(DiskError::Io(_))));
    tape.set_sync_fails(false);
    assert!(
        matches!(append(&mut disk, 2), Err(DiskError::Io(_))),
        "the kernel may have dropped what it could not write"
    );
}

#[test]
fn large_snapshots_are_kept_in_parts() {
    let (tape, keyring) = (Tape::default(), Keyring::new(Keys::fresh()));
    let mut disk = on(&tape, keyring).begin(&first()).unwrap();
    for megabytes in [5, 1] {
        let mut snapshot = Snapshot::default();
        snapshot.set_data(vec![megabytes as u8; megabytes << 20].into());
        snapshot.mut_metadata().index = 9;
        let hard_state = HardState {
            commit: 9,
            ..HardState::default()
        };
        let write = DiskWrite {
            hard_state: Some(&hard_state),
            snapshot: Some(&snapshot),
            ..DiskWrite::default()
        };
        disk.write(&write).unwrap();
        assert_eq!(disk.load().unwrap().snapshot, snapshot);
        let database = disk.database().unwrap();
        let table = database.begin_read().unwrap().open_table(SNAPSHOT).unwrap();
        assert_eq!(redb::ReadableTableMetadata::len(&table).unwrap(), megabytes as u64 + 1);
    }
}
