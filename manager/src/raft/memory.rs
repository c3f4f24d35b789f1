//! A disk in memory, for tests and simulations: what was written survives the replica, and a write can be made to fail.

use std::sync::{Arc, Mutex, PoisonError};

use super::disk::{Disk, DiskError, DiskWrite, Saved};

/// Clones share the content, so that a test can drop a replica and start another one from the same disk.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    content: Arc<Mutex<Content>>,
}

/// How a disk in memory fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// The next write fails and leaves nothing.
    Error,
    /// The next write fails although all of it is there afterwards, as when the power goes before the answer.
    ErrorAfterWrite,
    /// Writes fail until the fault is taken away.
    Full,
}

#[derive(Debug, Default)]
struct Content {
    saved: Saved,
    fault: Option<DiskFault>,
    writes: u64,
}

impl MemoryDisk {
    /// A disk that holds `saved`.
    pub fn of(saved: Saved) -> Self {
        let content = Content {
            saved,
            ..Content::default()
        };
        Self {
            content: Arc::new(Mutex::new(content)),
        }
    }

    /// From now on writes fail like this, or work.
    pub fn set_fault(&self, fault: Option<DiskFault>) {
        self.with(|content| content.fault = fault);
    }

    /// How often it was written.
    pub fn writes(&self) -> u64 {
        self.with(|content| content.writes)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Content) -> T) -> T {
        work(&mut self.content.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Disk for MemoryDisk {
    fn load(&mut self) -> Result<Saved, DiskError> {
        Ok(self.with(|content| content.saved.clone()))
    }

    fn write(&mut self, write: &DiskWrite<'_>) -> Result<(), DiskError> {
        self.with(|content| {
            let fault = content.fault;
            content.fault.take_if(|fault| *fault != DiskFault::Full);
            if !matches!(fault, Some(DiskFault::Error | DiskFault::Full)) {
                content.put(write);
            }
            match fault {
                Some(DiskFault::Full) => Err(DiskError::Full {
                    file: "memory".to_owned(),
                }),
                Some(fault) => Err(DiskError::Io(format!("made to fail: {fault:?}"))),
                None => Ok(()),
            }
        })
    }
}

impl Content {
    fn put(&mut self, write: &DiskWrite<'_>) {
        self.writes += 1;
        let saved = &mut self.saved;
        if let Some(hard_state) = write.hard_state {
            saved.hard_state = hard_state.clone();
        }
        if let Some(snapshot) = write.snapshot {
            saved.snapshot = snapshot.clone();
            let first_kept = write.keep_from.unwrap_or(u64::MAX);
            saved.entries.retain(|entry| entry.index >= first_kept);
        }
        if let Some(first) = write.entries.first() {
            saved.entries.retain(|entry| entry.index < first.index);
        }
        saved.entries.extend(write.entries.iter().cloned());
    }
}
