//! Bytes of log entries and snapshots: one format byte, then CBOR. Read and written by the raft driver only.

use ciborium::{de, ser};
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

use crate::{Entry, State, index::Indexes, shared::Shared, tables::Tables};

/// Format of the entries that this version writes.
pub const ENTRY_FORMAT: u8 = 1;
/// Format of the snapshots that this version writes.
pub const SNAPSHOT_FORMAT: u8 = 1;

/// Bytes that are no entry or snapshot of ours.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CodecError {
    /// Written by a later version.
    #[error("{what} has format {found}, this version reads format {known}: upgrade netd on this manager")]
    Format {
        /// `log entry` or `snapshot`.
        what: &'static str,
        /// The byte read.
        found: u8,
        /// The byte known.
        known: u8,
    },
    /// Nothing there at all.
    #[error("{what} is empty")]
    Empty {
        /// `log entry` or `snapshot`.
        what: &'static str,
    },
    /// Broken.
    #[error("{what} cannot be read: {why}")]
    Broken {
        /// `log entry` or `snapshot`.
        what: &'static str,
        /// Where and how, from the decoder.
        why: String,
    },
}

fn encode(what: &'static str, format: u8, value: &impl Serialize) -> Result<Vec<u8>, CodecError> {
    let mut bytes = vec![format];
    match ser::into_writer(value, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(why) => Err(CodecError::Broken {
            what,
            why: why.to_string(),
        }),
    }
}

fn decode<T: DeserializeOwned>(what: &'static str, known: u8, bytes: &[u8]) -> Result<T, CodecError> {
    let (found, mut rest) = bytes.split_first().ok_or(CodecError::Empty { what })?;
    if *found != known {
        return Err(CodecError::Format {
            what,
            found: *found,
            known,
        });
    }
    let broken = |why: String| CodecError::Broken { what, why };
    let value = de::from_reader(&mut rest).map_err(|why| broken(why.to_string()))?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(broken(format!("{} bytes too many", rest.len())))
    }
}

impl Entry {
    /// Format byte and CBOR.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        encode("log entry", ENTRY_FORMAT, self)
    }

    /// The inverse of [`Entry::encode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        decode("log entry", ENTRY_FORMAT, bytes)
    }
}

impl State {
    /// The whole state, for restarts and for followers that lag behind the log.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        encode("snapshot", SNAPSHOT_FORMAT, &*self.tables)
    }

    /// The inverse of [`State::encode`]; the indexes are built anew.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut tables: Tables = decode("snapshot", SNAPSHOT_FORMAT, bytes)?;
        tables.share_containers();
        #[cfg(feature = "planted")]
        planted::is(planted::Bug::SnapshotForgets).then(|| tables.cursors = Default::default());
        let indexes = Indexes::of(&tables);
        Ok(Self {
            tables: Shared::new(tables),
            indexes: Shared::new(indexes),
        })
    }

    /// FNV-1a (64 bits) of the encoded state: equal on all managers at an equal index.
    pub fn checksum(&self) -> Result<u64, CodecError> {
        let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        Ok(self.encode()?.iter().fold(0xcbf2_9ce4_8422_2325, fold))
    }
}

#[cfg(test)]
mod tests {
    use model::{Cluster, ClusterId, ClusterSecrets, ClusterSettings, RequestId, TaskState};

    use super::*;
    use crate::{Command, Refused, fixture::*};

    #[test]
    fn snapshots_and_entries_round_trip_and_name_an_unknown_format() {
        let mut state = state();
        let cluster = Cluster {
            id: ClusterId::from_bits(5),
            version: 0,
            created_at: AT,
            settings: ClusterSettings::default(),
            root_ca: "pem".into(),
            secrets: ClusterSecrets {
                worker_token: "w".into(),
                manager_token: "m".into(),
                root_ca_key: "k".into(),
                unlock_key: String::new(),
            },
        };
        apply(&mut state, Command::InitCluster(Box::new(cluster.clone()))).unwrap();
        let refused = apply(&mut state, Command::InitCluster(Box::new(cluster)));
        assert_eq!(refused, Err(Refused::ClusterExists));
        let mut bytes = state.encode().unwrap();
        assert_eq!(State::decode(&bytes).unwrap(), state);
        assert_eq!(State::decode(&bytes).unwrap().checksum(), state.checksum());
        let entry = Entry {
            request: RequestId::from_bits(3),
            command: report(1, 1, TaskState::Running, 5),
        };
        assert_eq!(Entry::decode(&entry.encode().unwrap()), Ok(entry));
        bytes[0] = 9;
        assert_eq!(
            State::decode(&bytes),
            Err(CodecError::Format {
                what: "snapshot",
                found: 9,
                known: 1
            })
        );
        assert_eq!(Entry::decode(&[]), Err(CodecError::Empty { what: "log entry" }));
        assert!(matches!(Entry::decode(&[1, 0xff]), Err(CodecError::Broken { .. })));
    }

    #[test]
    fn a_table_that_says_it_has_more_than_there_can_be_is_broken() {
        let bytes = State::default().encode().unwrap();
        for (table, empty, full) in [("tokens", 0xa0, 0xbb), ("arrivals", 0x80, 0x9b)] {
            let at = bytes.windows(table.len()).position(|w| w == table.as_bytes()).unwrap() + table.len();
            assert_eq!(bytes[at], empty, "{table}");
            let mut broken = bytes.clone();
            broken.splice(at..=at, [full, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
            assert!(
                matches!(State::decode(&broken), Err(CodecError::Broken { .. })),
                "{table}"
            );
        }
    }
}
