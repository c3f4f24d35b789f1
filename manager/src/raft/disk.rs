//! What a member keeps on disk: log, hard state, snapshot. One redb file, one transaction per step of the replica.
//!
//! Called by the replica only, before anything that depends on it is sent or applied. redb commits with fsync and
//! survives a cut at any byte; an error here ends the driver before anything is acknowledged.

use std::{fs, io, path::Path};

use protobuf::Message as _;
use raft::eraftpb::{Entry, HardState, Snapshot};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use thiserror::Error;

/// Format of the file; a file with another one is refused.
const FORMAT: u64 = 1;
const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const FORMAT_KEY: &str = "format";
const HARD_STATE_KEY: &str = "hard state";
const SNAPSHOT_KEY: &str = "snapshot";
const MEMBER_KEY: &str = "member";

/// The disk said no, or holds what this version cannot read.
#[derive(Debug, Error)]
pub enum DiskError {
    /// From the file system or redb.
    #[error("raft log: {0}")]
    Io(String),
    /// Written by another version.
    #[error("raft log has format {found}, this version reads format {FORMAT}: upgrade netd on this manager")]
    Format {
        /// The number read.
        found: u64,
    },
    /// A record that does not parse.
    #[error("raft log: {what} cannot be read: {why}")]
    Broken {
        /// Which record.
        what: String,
        /// Why.
        why: String,
    },
    /// Nothing there.
    #[error("there is no raft log at {0}")]
    Missing(String),
}

/// All that is on disk.
#[derive(Clone, Debug, Default)]
pub struct Saved {
    /// Raft id of this member.
    pub(super) member: u64,
    pub(super) hard_state: HardState,
    /// Log position, membership and state from which the log goes on.
    pub(super) snapshot: Snapshot,
    pub(super) entries: Vec<Entry>,
}

/// One step's changes, written whole or not at all.
#[derive(Debug, Default)]
pub struct DiskWrite<'a> {
    pub(super) hard_state: Option<&'a HardState>,
    /// Replaces the snapshot; entries go, except those that `keep_from` keeps.
    pub(super) snapshot: Option<&'a Snapshot>,
    /// With a snapshot that was made here: entries from this index on stay.
    pub(super) keep_from: Option<u64>,
    /// Go to their indexes; what was there or behind is dropped.
    pub(super) entries: &'a [Entry],
}

/// Where a replica keeps what must survive. The seam for tests and simulations with failing disks.
pub trait Disk: Send + 'static {
    /// Reads everything once, at start.
    fn load(&mut self) -> Result<Saved, DiskError>;
    /// Writes durably. When it returns an error, nothing of the step may be acknowledged.
    fn write(&mut self, write: &DiskWrite<'_>) -> Result<(), DiskError>;
}

/// The real disk.
#[derive(Debug)]
pub struct RedbDisk {
    database: Database,
}

fn io(why: impl std::fmt::Display) -> DiskError {
    DiskError::Io(why.to_string())
}

fn parse<M: protobuf::Message>(what: impl std::fmt::Display, bytes: &[u8]) -> Result<M, DiskError> {
    let broken = |why: protobuf::ProtobufError| DiskError::Broken {
        what: what.to_string(),
        why: why.to_string(),
    };
    let mut message = M::new();
    message.merge_from_bytes(bytes).map_err(broken)?;
    Ok(message)
}

impl RedbDisk {
    /// Makes the file of a new member. `first` is where its log begins. Refuses a file that is there already.
    pub fn create(path: &Path, first: &Saved) -> Result<Self, DiskError> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|why| io(format!("{}: {why}", folder.display())))?;
            private(folder, 0o700).map_err(io)?;
        }
        if path.exists() {
            return Err(io(format!("{} is there already", path.display())));
        }
        let mut disk = Self {
            database: Database::create(path).map_err(|why| io(format!("{}: {why}", path.display())))?,
        };
        private(path, 0o600).map_err(io)?;
        disk.put_meta(FORMAT_KEY, &FORMAT.to_le_bytes())?;
        disk.put_meta(MEMBER_KEY, &first.member.to_le_bytes())?;
        disk.write(&DiskWrite {
            hard_state: Some(&first.hard_state),
            snapshot: Some(&first.snapshot),
            keep_from: None,
            entries: &first.entries,
        })?;
        Ok(disk)
    }

    /// Opens the file of a member that was here before.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        if !path.exists() {
            return Err(DiskError::Missing(path.display().to_string()));
        }
        let database = Database::open(path).map_err(|why| io(format!("{}: {why}", path.display())))?;
        Ok(Self { database })
    }

    fn put_meta(&self, key: &str, value: &[u8]) -> Result<(), DiskError> {
        let transaction = self.database.begin_write().map_err(io)?;
        transaction
            .open_table(META)
            .map_err(io)?
            .insert(key, value)
            .map_err(io)?;
        transaction.commit().map_err(io)
    }
}

/// Managers keep keys and tokens in there: nobody else may read them.
fn private(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

fn number(meta: &impl ReadableTable<&'static str, &'static [u8]>, key: &str) -> Result<u64, DiskError> {
    let found = meta.get(key).map_err(io)?;
    let bytes = found.and_then(|value| value.value().try_into().ok());
    bytes.map(u64::from_le_bytes).ok_or_else(|| DiskError::Broken {
        what: key.to_owned(),
        why: "not there".to_owned(),
    })
}

impl Disk for RedbDisk {
    fn load(&mut self) -> Result<Saved, DiskError> {
        let transaction = self.database.begin_read().map_err(io)?;
        let meta = transaction.open_table(META).map_err(io)?;
        let format = number(&meta, FORMAT_KEY)?;
        if format != FORMAT {
            return Err(DiskError::Format { found: format });
        }
        let mut saved = Saved {
            member: number(&meta, MEMBER_KEY)?,
            ..Saved::default()
        };
        if let Some(value) = meta.get(HARD_STATE_KEY).map_err(io)? {
            saved.hard_state = parse(HARD_STATE_KEY, value.value())?;
        }
        if let Some(value) = meta.get(SNAPSHOT_KEY).map_err(io)? {
            saved.snapshot = parse(SNAPSHOT_KEY, value.value())?;
        }
        for row in transaction.open_table(LOG).map_err(io)?.iter().map_err(io)? {
            let (index, value) = row.map_err(io)?;
            saved
                .entries
                .push(parse(format_args!("entry {}", index.value()), value.value())?);
        }
        Ok(saved)
    }

    fn write(&mut self, write: &DiskWrite<'_>) -> Result<(), DiskError> {
        let transaction = self.database.begin_write().map_err(io)?;
        {
            let mut meta = transaction.open_table(META).map_err(io)?;
            let mut log = transaction.open_table(LOG).map_err(io)?;
            if let Some(hard_state) = write.hard_state {
                let bytes = hard_state.write_to_bytes().map_err(io)?;
                meta.insert(HARD_STATE_KEY, bytes.as_slice()).map_err(io)?;
            }
            if let Some(snapshot) = write.snapshot {
                let bytes = snapshot.write_to_bytes().map_err(io)?;
                meta.insert(SNAPSHOT_KEY, bytes.as_slice()).map_err(io)?;
                let first_kept = write.keep_from.unwrap_or(u64::MAX);
                log.retain_in(..first_kept, |_, _| false).map_err(io)?;
            }
            if let Some(first) = write.entries.first() {
                log.retain_in(first.index.., |_, _| false).map_err(io)?;
            }
            for entry in write.entries {
                let bytes = entry.write_to_bytes().map_err(io)?;
                log.insert(entry.index, bytes.as_slice()).map_err(io)?;
            }
        }
        transaction.commit().map_err(io)
    }
}
