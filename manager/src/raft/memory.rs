//! A disk in memory, for tests and simulations: what was written survives the replica, and a write can be made to fail.

use std::sync::{Arc, Mutex, PoisonError};

use super::disk::{Disk, DiskError, DiskWrite, Saved};

/// Clones share the content, so that a test can drop a replica and start another one from the same disk.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    content: Arc<Mutex<Content>>,
}

#[derive(Debug, Default)]
struct Content {
    saved: Saved,
    failing: bool,
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

    /// From now on writes fail (true) or work (false).
    pub fn set_failing(&self, failing: bool) {
        self.with(|content| content.failing = failing);
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
            if content.failing {
                return Err(DiskError::Io("made to fail".to_owned()));
            }
            content.writes += 1;
            let saved = &mut content.saved;
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
            Ok(())
        })
    }
}
