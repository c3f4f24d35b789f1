//! Reads all that is in the file, and checks that it can be what was written: every row opens at its place, nothing is
//! missing between the snapshot and the commit index.

use std::fmt;

use raft::eraftpb::{Entry, HardState, Snapshot};
use redb::{Database, ReadOnlyTable, ReadableDatabase as _, ReadableTable as _};
use seal::{KeyId, Keys};

use super::{
    FORMAT, FORMAT_KEY, HARD_STATE_KEY, LOG, MEMBER_KEY, META, SNAPSHOT,
    record::{self, Kind, Opened},
};
use crate::raft::disk::Saved;

/// What cannot be used, and why.
pub(super) enum ReadError {
    /// Another format.
    Format(u64),
    Broken {
        what: String,
        why: String,
    },
}

fn broken(what: impl fmt::Display) -> impl FnOnce(String) -> ReadError {
    let what = what.to_string();
    |why| ReadError::Broken { what, why }
}

fn said<T>(result: Result<T, impl fmt::Display>) -> Result<T, String> {
    result.map_err(|why| why.to_string())
}

type Meta = ReadOnlyTable<&'static str, &'static [u8]>;

/// Everything, and the oldest key that was needed.
pub(super) fn all(database: &Database, keys: &Keys) -> Result<(Saved, KeyId), ReadError> {
    let transaction = said(database.begin_read()).map_err(broken("the file"))?;
    let meta = said(transaction.open_table(META)).map_err(broken("table meta"))?;
    let format = format(&meta).map_err(broken("the format"))?;
    if format != FORMAT {
        return Err(ReadError::Format(format));
    }
    let mut oldest = keys.current();
    let mut open = |kind, bytes: &[u8]| {
        let opened = record::open(keys, kind, bytes)?;
        oldest = oldest.min(opened.key);
        Ok(opened)
    };
    let snapshot = said(transaction.open_table(SNAPSHOT)).map_err(broken("table snapshot"))?;
    let log = said(transaction.open_table(LOG)).map_err(broken("table log"))?;
    let saved = Saved {
        member: member(&meta, &mut open).map_err(broken("the raft id"))?,
        hard_state: hard_state(&meta, &mut open).map_err(broken("the hard state"))?,
        snapshot: read_snapshot(&snapshot, &mut open).map_err(broken("the snapshot"))?,
        entries: entries(&log, &mut open)?,
    };
    whole(&saved)?;
    Ok((saved, oldest))
}

fn format(meta: &Meta) -> Result<u64, String> {
    let row = said(meta.get(FORMAT_KEY))?.ok_or("it is missing")?;
    let bytes = row.value().try_into();
    bytes.map(u64::from_le_bytes).map_err(|_| "it is no number".to_owned())
}

fn member(meta: &Meta, open: &mut impl FnMut(Kind, &[u8]) -> Result<Opened, String>) -> Result<u64, String> {
    let row = said(meta.get(MEMBER_KEY))?.ok_or("it is missing")?;
    let plain = open(Kind::Member, row.value())?.plain;
    let bytes = plain.as_slice().try_into();
    bytes.map(u64::from_le_bytes).map_err(|_| "it is no number".to_owned())
}

fn hard_state(meta: &Meta, open: &mut impl FnMut(Kind, &[u8]) -> Result<Opened, String>) -> Result<HardState, String> {
    let row = said(meta.get(HARD_STATE_KEY))?.ok_or("it is missing")?;
    record::parse(&open(Kind::HardState, row.value())?.plain)
}

fn read_snapshot(
    table: &ReadOnlyTable<u64, &'static [u8]>,
    open: &mut impl FnMut(Kind, &[u8]) -> Result<Opened, String>,
) -> Result<Snapshot, String> {
    let (mut bytes, mut next, mut first) = (Vec::new(), 0, None);
    for row in said(table.iter())? {
        let (_, value) = said(row)?;
        let Opened { place, plain, .. } =
            open(Kind::Snapshot, value.value()).map_err(|why| format!("part {next}: {why}"))?;
        let first = *first.get_or_insert(place);
        if (place.part, place.index, place.term, place.parts) != (next, first.index, first.term, first.parts) {
            return Err(format!("part {next} is of another snapshot"));
        }
        bytes.extend(plain);
        next += 1;
    }
    match first {
        Some(first) if first.parts == next => record::parse(&bytes),
        Some(first) => Err(format!("{next} of its {} parts are there", first.parts)),
        None => Err("it is missing".to_owned()),
    }
}

fn entries(
    table: &ReadOnlyTable<u64, &'static [u8]>,
    open: &mut impl FnMut(Kind, &[u8]) -> Result<Opened, String>,
) -> Result<Vec<Entry>, ReadError> {
    let mut entries: Vec<Entry> = Vec::new();
    for row in said(table.iter()).map_err(broken("table log"))? {
        let (index, value) = said(row).map_err(broken("table log"))?;
        let index = index.value();
        let entry = entry(index, value.value(), open).map_err(broken(format_args!("entry {index}")))?;
        if let Some(last) = entries
            .last()
            .filter(|last| last.index + 1 != index || last.term > entry.term)
        {
            let why = format!("it follows entry {} of term {}", last.index, last.term);
            return Err(broken(format_args!("entry {index}"))(why));
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// The data of the entry in the log's row number `index`, as starting a manager reads it. Public for fuzzing alone.
///
/// # Errors
/// Says why the bytes cannot be what was written there.
pub fn read_entry_row(keys: &Keys, index: u64, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let read = entry(index, bytes, &mut |kind, bytes| record::open(keys, kind, bytes));
    read.map(|entry| entry.data.to_vec())
}

fn entry(
    index: u64,
    bytes: &[u8],
    open: &mut impl FnMut(Kind, &[u8]) -> Result<Opened, String>,
) -> Result<Entry, String> {
    let Opened { place, plain, .. } = open(Kind::Entry, bytes)?;
    let entry: Entry = record::parse(&plain)?;
    match (place.index, entry.index, entry.term) == (index, index, place.term) {
        true => Ok(entry),
        false => Err(format!("it belongs to index {}, term {}", place.index, place.term)),
    }
}

/// Nothing that was committed is missing.
fn whole(saved: &Saved) -> Result<(), ReadError> {
    let start = saved.snapshot.get_metadata().index;
    let first = saved.entries.first().map_or(start + 1, |entry| entry.index);
    let last = saved.entries.last().map_or(start, |entry| entry.index).max(start);
    let commit = saved.hard_state.commit;
    if first > start + 1 || commit < start || commit > last {
        let why = format!("snapshot {start}, entries {first} to {last} and commit index {commit} do not fit together");
        return Err(broken("the log")(why));
    }
    Ok(())
}
