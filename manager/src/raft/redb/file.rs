//! The file below redb: grows by reserving the space first, so that a full disk is noticed before anything is written,
//! and remembers what went wrong, which redb tells as text only.

use std::{
    fs::{File, OpenOptions},
    io,
    ops::Bound,
    os::fd::AsFd as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use nix::{
    errno::Errno,
    fcntl::{FallocateFlags, PosixFadviseAdvice, fallocate, posix_fadvise},
};
use redb::{BackendError, StorageBackend, backends::FileBackend};

/// Hands redb's locks, which keep a second process off the file, to the backend below.
macro_rules! locks_below {
    () => {
        locks_below! {
            try_lock_range -> bool;
            try_lock_shared_range -> bool;
            lock_range -> ();
            lock_shared_range -> ();
            unlock_range -> ();
            query_lock_range -> bool;
        }
    };
    ($($method:ident -> $answer:ty;)+) => {
        $(fn $method(&self, start: Bound<u64>, end: Bound<u64>) -> Result<$answer, BackendError> {
            self.backend.$method(start, end)
        })+
    };
}

/// What went wrong since the file was opened.
#[derive(Debug, Default)]
pub(super) struct Faults {
    full: AtomicBool,
    failed: AtomicBool,
}

impl Faults {
    /// Only space was missing.
    pub(super) fn only_full(&self) -> bool {
        self.full.load(Ordering::Acquire) && !self.failed.load(Ordering::Acquire)
    }

    /// Something other than space: for good.
    pub(super) fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Another attempt.
    pub(super) fn forget_full(&self) {
        self.full.store(false, Ordering::Release);
    }

    fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let Err(why) = &result {
            let full = matches!(why.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
            let flag = if full { &self.full } else { &self.failed };
            flag.store(true, Ordering::Release);
        }
        result
    }
}

/// A backend whose errors are remembered.
#[derive(Debug)]
pub(super) struct Watched<B> {
    backend: B,
    faults: Arc<Faults>,
}

impl<B> Watched<B> {
    pub(super) fn new(backend: B, faults: Arc<Faults>) -> Self {
        Self { backend, faults }
    }
}

impl<B: StorageBackend> StorageBackend for Watched<B> {
    fn len(&self) -> io::Result<u64> {
        self.faults.note(self.backend.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        // A read behind the end is damage, which redb reports; the disk works.
        self.backend.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.faults.note(self.backend.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        let synced = self.backend.sync_data();
        if synced.is_err() {
            // What the kernel dropped it will not try again: whatever the reason, this process must not go on.
            self.faults.failed.store(true, Ordering::Release);
        }
        synced
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.faults.note(self.backend.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.backend.close()
    }

    locks_below! {}
}

/// A file on a real disk.
#[derive(Debug)]
pub(super) struct LogFile {
    backend: FileBackend,
    file: File,
}

impl LogFile {
    /// Opens it; `fresh` makes it, and replaces what an earlier attempt left.
    pub(super) fn open(path: &Path, fresh: bool) -> io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600).create(fresh).truncate(fresh);
        let file = options.open(path)?;
        // After an fsync that failed the page cache may hold what the disk does not: read the disk.
        let _ = posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
        let backend = FileBackend::new(file.try_clone()?).map_err(io::Error::other)?;
        Ok(Self { backend, file })
    }

    fn reserve(&self, from: u64, to: u64) -> io::Result<()> {
        let offset = |number: u64| i64::try_from(number).map_err(io::Error::other);
        let (from, span) = (offset(from)?, offset(to - from)?);
        match fallocate(self.file.as_fd(), FallocateFlags::empty(), from, span) {
            // A file system that cannot reserve says "full" later, when it is written.
            Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => self.backend.set_len(from as u64 + span as u64),
            done => done.map_err(io::Error::from),
        }
    }
}

impl StorageBackend for LogFile {
    fn len(&self) -> io::Result<u64> {
        self.backend.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.backend.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        match self.backend.len()? {
            now if now < len => self.reserve(now, len),
            _ => self.backend.set_len(len),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.backend.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.backend.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.backend.close()
    }

    locks_below! {}
}
