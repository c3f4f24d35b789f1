//! What one transaction writes.

use protobuf::Message as _;
use raft::eraftpb::{Entry, HardState, Snapshot};
use redb::WriteTransaction;
use seal::Keys;
use thiserror::Error;

use super::{
    FORMAT, FORMAT_KEY, HARD_STATE_KEY, LOG, MEMBER_KEY, META, SNAPSHOT,
    record::{self, Kind, Place},
};
use crate::raft::disk::DiskWrite;

/// Bytes of a snapshot in one row; the parts are sealed one by one, each as the n-th of m.
const PART_BYTES: usize = 1 << 20;

/// A transaction that could not be written.
#[derive(Debug, Error)]
pub(super) enum RowError {
    #[error(transparent)]
    Transaction(#[from] Box<redb::TransactionError>),
    #[error(transparent)]
    Table(#[from] redb::TableError),
    #[error(transparent)]
    Storage(#[from] redb::StorageError),
    #[error(transparent)]
    Commit(#[from] redb::CommitError),
    #[error(transparent)]
    Protobuf(#[from] protobuf::ProtobufError),
    #[error("{0}")]
    Seal(String),
}

impl From<redb::TransactionError> for RowError {
    fn from(why: redb::TransactionError) -> Self {
        Self::Transaction(Box::new(why))
    }
}

impl From<String> for RowError {
    fn from(why: String) -> Self {
        Self::Seal(why)
    }
}

/// Format and raft id of a new member.
pub(super) fn put_member(transaction: &WriteTransaction, keys: &Keys, member: u64) -> Result<(), RowError> {
    let mut meta = transaction.open_table(META)?;
    meta.insert(FORMAT_KEY, FORMAT.to_le_bytes().as_slice())?;
    let sealed = record::seal(keys, Kind::Member, Place::default(), &member.to_le_bytes())?;
    meta.insert(MEMBER_KEY, sealed.as_slice())?;
    Ok(())
}

/// One step of the replica.
pub(super) fn put(transaction: &WriteTransaction, keys: &Keys, write: &DiskWrite<'_>) -> Result<(), RowError> {
    if let Some(hard_state) = write.hard_state {
        put_hard_state(transaction, keys, hard_state)?;
    }
    let mut log = transaction.open_table(LOG)?;
    if let Some(snapshot) = write.snapshot {
        put_snapshot(transaction, keys, snapshot)?;
        let first_kept = write.keep_from.unwrap_or(u64::MAX);
        log.retain_in(..first_kept, |_, _| false)?;
    }
    if let Some(first) = write.entries.first() {
        log.retain_in(first.index.., |_, _| false)?;
    }
    for entry in write.entries {
        log.insert(entry.index, sealed_entry(keys, entry)?.as_slice())?;
    }
    Ok(())
}

fn sealed_entry(keys: &Keys, entry: &Entry) -> Result<Vec<u8>, RowError> {
    let place = Place {
        index: entry.index,
        term: entry.term,
        ..Place::default()
    };
    Ok(record::seal(keys, Kind::Entry, place, &entry.write_to_bytes()?)?)
}

fn put_hard_state(transaction: &WriteTransaction, keys: &Keys, hard_state: &HardState) -> Result<(), RowError> {
    let place = Place {
        index: hard_state.commit,
        term: hard_state.term,
        ..Place::default()
    };
    let sealed = record::seal(keys, Kind::HardState, place, &hard_state.write_to_bytes()?)?;
    transaction
        .open_table(META)?
        .insert(HARD_STATE_KEY, sealed.as_slice())?;
    Ok(())
}

fn put_snapshot(transaction: &WriteTransaction, keys: &Keys, snapshot: &Snapshot) -> Result<(), RowError> {
    let bytes = snapshot.write_to_bytes()?;
    let metadata = snapshot.get_metadata();
    // That of a member that was told nothing yet has no bytes: one part that says so.
    let parts = bytes.chunks(PART_BYTES).chain(bytes.is_empty().then_some(&[][..]));
    let parts: Vec<&[u8]> = parts.collect();
    let count = u32::try_from(parts.len()).map_err(|_| "a snapshot of more than 4 PiB".to_owned())?;
    let mut table = transaction.open_table(SNAPSHOT)?;
    table.retain(|_, _| false)?;
    for (part, plain) in (0..).zip(parts) {
        let place = Place {
            index: metadata.index,
            term: metadata.term,
            part,
            parts: count,
        };
        let sealed = record::seal(keys, Kind::Snapshot, place, plain)?;
        table.insert(u64::from(part), sealed.as_slice())?;
    }
    Ok(())
}

/// Seals every row under the current key.
pub(super) fn reseal(transaction: &WriteTransaction, keys: &Keys) -> Result<(), RowError> {
    let again = |kind: Kind, bytes: &[u8]| {
        let opened = record::open(keys, kind, bytes)?;
        record::seal(keys, kind, opened.place, &opened.plain)
    };
    for (definition, kind) in [(LOG, Kind::Entry), (SNAPSHOT, Kind::Snapshot)] {
        let mut table = transaction.open_table(definition)?;
        let indexes: Vec<u64> = redb::ReadableTable::iter(&table)?
            .map(|row| row.map(|(index, _)| index.value()))
            .collect::<Result<_, _>>()?;
        for index in indexes {
            let old = redb::ReadableTable::get(&table, index)?.map(|value| value.value().to_vec());
            if let Some(old) = old {
                table.insert(index, again(kind, &old)?.as_slice())?;
            }
        }
    }
    let mut meta = transaction.open_table(META)?;
    for (key, kind) in [(HARD_STATE_KEY, Kind::HardState), (MEMBER_KEY, Kind::Member)] {
        let old = redb::ReadableTable::get(&meta, key)?.map(|value| value.value().to_vec());
        if let Some(old) = old {
            meta.insert(key, again(kind, &old)?.as_slice())?;
        }
    }
    Ok(())
}

/// With the bug of that name the transaction's end does not wait for the disk.
#[cfg(feature = "planted")]
pub(super) fn without_sync(mut transaction: WriteTransaction) -> WriteTransaction {
    if planted::is(planted::Bug::SkippedSync) {
        let _ = transaction.set_durability(redb::Durability::None);
    }
    transaction
}
