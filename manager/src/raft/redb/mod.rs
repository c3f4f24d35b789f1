//! The real disk: one redb file, one transaction per step of the replica. redb commits with fsync and survives a cut at
//! any byte (`power_cut` shows it); each row is sealed and bound to its place (`record`).
//!
//! A write that failed for want of space leaves the file as it was before or after that step, never between; the file is
//! then opened anew, as after a crash. Any other failure is for good.

mod file;
mod read;
mod record;
mod rows;
mod simulated;
mod tape;

#[cfg(test)]
mod power_cut;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod tests;

use std::{
    fmt, fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

use redb::{Builder, Database, StorageBackend, TableDefinition};
use seal::{KeyId, Keyring};

pub use self::{read::read_entry_row, record::seal_entry_row};

use self::file::{Faults, LogFile, Watched};
use super::disk::{Disk, DiskError, DiskWrite, Saved};
pub use simulated::SimulatedDisk;

/// Format of the file; a file with another one is refused.
const FORMAT: u64 = 2;
const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
const SNAPSHOT: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("snapshot");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const FORMAT_KEY: &str = "format";
const HARD_STATE_KEY: &str = "hard state";
const MEMBER_KEY: &str = "member";
/// Memory for pages; the replica holds the log in memory anyway.
const CACHE_BYTES: usize = 16 << 20;

/// Opens the database, again after a disk that was full.
type Open = Box<dyn Fn(Arc<Faults>) -> Result<Database, OpenError> + Send>;

enum OpenError {
    File(io::Error),
    Damaged(&'static str),
    Database(redb::DatabaseError),
}

/// See the module.
pub struct RedbDisk {
    /// For messages.
    file: String,
    open: Open,
    faults: Arc<Faults>,
    /// `None` after a write that failed, until the next attempt.
    database: Option<Database>,
    keyring: Keyring,
    /// The key of the oldest record; all are sealed anew at the first write after a rotation.
    sealed_under: KeyId,
}

impl fmt::Debug for RedbDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbDisk")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// Opens what `backend` holds, and verifies the checksums of all its pages; whatever goes wrong below is noted in
/// `faults`.
fn database(backend: impl StorageBackend, faults: Arc<Faults>) -> Result<Database, OpenError> {
    let open = || {
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE_BYTES);
        let mut database = builder.create_with_backend(Watched::new(backend, faults))?;
        let whole = database.check_integrity()?;
        Ok((database, whole))
    };
    // redb reads some of its own bookkeeping before it can verify it, and panics where that was damaged. Nothing outlives
    // the panic but the file, which is not changed any more.
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(Ok((database, true))) => Ok(database),
        Ok(Ok((_, false))) => Err(OpenError::Damaged("its pages do not fit together")),
        Ok(Err(why)) => Err(OpenError::Database(why)),
        Err(_) => Err(OpenError::Damaged("its page directory makes no sense")),
    }
}

impl RedbDisk {
    /// Makes the file of a new member. `first` is where its log begins. Refuses a file that is there already.
    pub fn create(path: &Path, first: &Saved, keyring: Keyring) -> Result<Self, DiskError> {
        if path.exists() {
            return Err(DiskError::Io(format!("{} is there already", path.display())));
        }
        Self::replace(path, first, keyring)
    }

    /// Makes the file anew, in the place of one that may be there: whole, or not at all.
    pub fn replace(path: &Path, first: &Saved, keyring: Keyring) -> Result<Self, DiskError> {
        let io = |why: io::Error| DiskError::Io(format!("{}: {why}", path.display()));
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(io)?;
        private(folder, 0o700).map_err(io)?;
        let draft = path.with_extension("new");
        let at = draft.clone();
        let fresh = move |faults| database(LogFile::open(&at, true).map_err(OpenError::File)?, faults);
        Self::over(draft.display().to_string(), Box::new(fresh), keyring.clone()).begin(first)?;
        fs::rename(&draft, path).map_err(io)?;
        fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(io)?;
        Self::open(path, keyring)
    }

    /// Opens the file of a member that was here before.
    pub fn open(path: &Path, keyring: Keyring) -> Result<Self, DiskError> {
        let at = path.to_owned();
        let open = move |faults| database(LogFile::open(&at, false).map_err(OpenError::File)?, faults);
        let length = fs::metadata(path).map(|found| found.len());
        match length {
            Err(why) if why.kind() == io::ErrorKind::NotFound => {
                return Err(DiskError::Missing(path.display().to_string()));
            }
            Err(why) => return Err(DiskError::Io(format!("{}: {why}", path.display()))),
            Ok(_) => {}
        }
        let mut disk = Self::over(path.display().to_string(), Box::new(open), keyring);
        if length.is_ok_and(|length| length == 0) {
            return Err(disk.broken("the file", "it is empty"));
        }
        disk.database()?;
        Ok(disk)
    }

    /// Raft id of the member whose file it is.
    pub fn member(&mut self) -> Result<u64, DiskError> {
        Ok(self.load()?.member)
    }

    fn over(file: String, open: Open, keyring: Keyring) -> Self {
        Self {
            file,
            open,
            faults: Arc::default(),
            database: None,
            sealed_under: keyring.keys().current(),
            keyring,
        }
    }

    /// Writes what a new member's file holds first.
    fn begin(mut self, first: &Saved) -> Result<Self, DiskError> {
        let member = first.member;
        self.commit(|transaction, keys| rows::put_member(transaction, keys, member))?;
        self.write(&DiskWrite {
            hard_state: Some(&first.hard_state),
            snapshot: Some(&first.snapshot),
            keep_from: None,
            entries: &first.entries,
        })?;
        Ok(self)
    }

    /// The open database; opens it if the last write failed.
    fn database(&mut self) -> Result<&Database, DiskError> {
        if self.faults.failed() {
            return Err(DiskError::Io(format!("{} has failed before", self.file)));
        }
        self.faults.forget_full();
        let database = match self.database.take() {
            Some(database) => database,
            None => (self.open)(self.faults.clone()).map_err(|why| self.not_opened(why))?,
        };
        Ok(self.database.insert(database))
    }

    fn not_opened(&self, why: OpenError) -> DiskError {
        match why {
            OpenError::File(why) => self.failure(why),
            OpenError::Damaged(why) => self.broken("the file", why),
            OpenError::Database(redb::DatabaseError::DatabaseAlreadyOpen) => {
                self.failure("another process has it open: does another netd run on this data folder?")
            }
            OpenError::Database(redb::DatabaseError::Storage(redb::StorageError::Io(why)))
                if why.kind() != io::ErrorKind::UnexpectedEof && why.kind() != io::ErrorKind::InvalidData =>
            {
                self.failure(why)
            }
            OpenError::Database(why) if self.faults.only_full() => self.failure(why),
            OpenError::Database(why) => self.broken("the file", why),
        }
    }

    /// A failure below: want of space, or for good.
    fn failure(&self, why: impl fmt::Display) -> DiskError {
        match self.faults.only_full() {
            true => DiskError::Full {
                file: self.file.clone(),
            },
            false => DiskError::Io(format!("{}: {why}", self.file)),
        }
    }

    fn broken(&self, what: impl fmt::Display, why: impl fmt::Display) -> DiskError {
        DiskError::Broken {
            file: self.file.clone(),
            what: what.to_string(),
            why: why.to_string(),
        }
    }

    /// One transaction, durable when this returns.
    fn commit(
        &mut self,
        work: impl FnOnce(&redb::WriteTransaction, &seal::Keys) -> Result<(), rows::RowError>,
    ) -> Result<(), DiskError> {
        let keys = self.keyring.keys();
        let reseal = self.sealed_under != keys.current();
        let database = self.database()?;
        let written = (|| {
            let transaction = database.begin_write()?;
            #[cfg(feature = "planted")]
            let transaction = rows::without_sync(transaction);
            work(&transaction, &keys)?;
            if reseal {
                rows::reseal(&transaction, &keys)?;
            }
            transaction.commit()?;
            Ok::<(), rows::RowError>(())
        })();
        if let Err(why) = written {
            // redb takes nothing more after a failure; what the file holds is read again.
            self.database = None;
            return Err(self.failure(why));
        }
        self.sealed_under = keys.current();
        self.keyring.set_oldest_in_use(keys.current());
        Ok(())
    }
}

/// Managers keep keys and tokens in there: nobody else may read them.
fn private(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

impl Disk for RedbDisk {
    fn load(&mut self) -> Result<Saved, DiskError> {
        let keys = self.keyring.keys();
        let read = read::all(self.database()?, &keys);
        let (saved, oldest) = read.map_err(|why| match why {
            read::ReadError::Format(found) => DiskError::Format {
                file: self.file.clone(),
                found,
                known: FORMAT,
            },
            read::ReadError::Broken { what, why } => self.broken(what, why),
        })?;
        self.sealed_under = oldest;
        self.keyring.set_oldest_in_use(oldest);
        Ok(saved)
    }

    fn write(&mut self, write: &DiskWrite<'_>) -> Result<(), DiskError> {
        self.commit(|transaction, keys| rows::put(transaction, keys, write))
    }
}
