//! One row of the file: sealed, and bound to its place, so that a row is read only where it was written.

use protobuf::Message;
use seal::{KeyId, Keys};

/// Version of a record's form.
const VERSION: u8 = 1;
/// Version, number of the key, index, term, part, parts.
const HEADER: usize = 1 + 4 + 8 + 8 + 4 + 4;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Entry,
    HardState,
    Snapshot,
    Member,
}

impl Kind {
    /// What is authenticated beside the header; never stored.
    fn label(self) -> &'static [u8] {
        match self {
            Self::Entry => b"netctl raft entry",
            Self::HardState => b"netctl raft hard state",
            Self::Snapshot => b"netctl raft snapshot",
            Self::Member => b"netctl raft member",
        }
    }
}

/// Where a record belongs. In clear on the disk, as in Swarm, and authenticated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) index: u64,
    pub(super) term: u64,
    /// Of a snapshot: which part, from 0.
    pub(super) part: u32,
    /// Of how many.
    pub(super) parts: u32,
}

/// A record that was opened.
pub(super) struct Opened {
    pub(super) place: Place,
    pub(super) key: KeyId,
    pub(super) plain: Vec<u8>,
}

fn header(key: KeyId, place: Place) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend(key.0.to_le_bytes());
    bytes.extend(place.index.to_le_bytes());
    bytes.extend(place.term.to_le_bytes());
    bytes.extend(place.part.to_le_bytes());
    bytes.extend(place.parts.to_le_bytes());
    bytes
}

fn authenticated(kind: Kind, header: &[u8]) -> Vec<u8> {
    [kind.label(), header].concat()
}

/// Seals under the current key.
pub(super) fn seal(keys: &Keys, kind: Kind, place: Place, plain: &[u8]) -> Result<Vec<u8>, String> {
    let key = keys.current();
    let mut bytes = header(key, place);
    let secret = keys.get(key).ok_or_else(|| format!("there is no data key {key}"))?;
    let sealed = secret.seal(&authenticated(kind, &bytes), plain);
    bytes.extend(sealed);
    Ok(bytes)
}

/// A row of the log that holds `plain`, which need not be an entry: what fuzzing puts before [`super::read_entry_row`].
///
/// # Errors
/// The keys lack their own current one.
pub fn seal_entry_row(keys: &Keys, index: u64, term: u64, plain: &[u8]) -> Result<Vec<u8>, String> {
    let place = Place {
        index,
        term,
        ..Place::default()
    };
    seal(keys, Kind::Entry, place, plain)
}

/// The inverse of [`seal`]; says why if the bytes are no record of this kind under these keys.
pub(super) fn open(keys: &Keys, kind: Kind, bytes: &[u8]) -> Result<Opened, String> {
    let (header, sealed) = bytes.split_at_checked(HEADER).ok_or("it is too short")?;
    let (version, mut rest) = header.split_first().ok_or("it is empty")?;
    if *version != VERSION {
        return Err(format!("it has version {version}, this netd reads {VERSION}"));
    }
    let key = KeyId(u32::from_le_bytes(take(&mut rest)?));
    let place = Place {
        index: u64::from_le_bytes(take(&mut rest)?),
        term: u64::from_le_bytes(take(&mut rest)?),
        part: u32::from_le_bytes(take(&mut rest)?),
        parts: u32::from_le_bytes(take(&mut rest)?),
    };
    let secret = keys
        .get(key)
        .ok_or_else(|| format!("it was sealed under data key {key}, which is not in this manager's key file"))?;
    let plain = secret.open(&authenticated(kind, header), sealed);
    let plain = plain.map_err(|why| why.to_string())?;
    Ok(Opened { place, key, plain })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], String> {
    let (first, last) = rest.split_first_chunk().ok_or("it is too short")?;
    *rest = last;
    Ok(*first)
}

/// Reads what raft wrote.
pub(super) fn parse<M: Message>(bytes: &[u8]) -> Result<M, String> {
    let mut message = M::new();
    message.merge_from_bytes(bytes).map_err(|why| why.to_string())?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_opens_only_as_what_it_is_and_where_it_was() {
        let keys = Keys::fresh();
        let place = Place {
            index: 7,
            term: 2,
            ..Place::default()
        };
        let bytes = seal(&keys, Kind::Entry, place, b"plain").unwrap();
        let opened = open(&keys, Kind::Entry, &bytes).unwrap();
        assert_eq!((opened.place, opened.plain.as_slice()), (place, &b"plain"[..]));
        assert!(open(&keys, Kind::HardState, &bytes).is_err());
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(open(&keys, Kind::Entry, &changed).is_err(), "byte {at}");
            assert!(open(&keys, Kind::Entry, &bytes[..at]).is_err(), "cut at {at}");
        }
        let rotated = keys.rotated();
        assert_eq!(open(&rotated, Kind::Entry, &bytes).unwrap().key, KeyId(1));
        let other = open(&rotated.from(KeyId(2)), Kind::Entry, &bytes).err().unwrap();
        assert!(other.contains("data key 1"), "{other}");
    }
}
