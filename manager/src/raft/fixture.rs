//! A disk that hangs, and no other members, for tests.

use std::sync::{Arc, Condvar, Mutex};

use super::{Disk, DiskError, DiskWrite, MemoryDisk, Saved, Transport};

/// Carries nothing: there is nobody else.
pub(crate) struct Nowhere;

impl Transport for Nowhere {
    fn send(&mut self, _: u64, _: Vec<u8>, _: bool) {}
    fn keep_only(&mut self, _: &control::Members) {}
}

/// Whether writes wait.
#[derive(Default)]
pub(crate) struct Hold {
    held: Mutex<bool>,
    changed: Condvar,
}

impl Hold {
    pub(crate) fn set(&self, held: bool) {
        *self.held.lock().unwrap() = held;
        self.changed.notify_all();
    }
}

/// A disk whose writes wait as long as it is held: neither written nor failed.
pub(crate) struct Hangs {
    pub(crate) disk: MemoryDisk,
    pub(crate) hold: Arc<Hold>,
}

impl Disk for Hangs {
    fn load(&mut self) -> Result<Saved, DiskError> {
        self.disk.load()
    }

    fn write(&mut self, write: &DiskWrite<'_>) -> Result<(), DiskError> {
        let held = self.hold.held.lock().unwrap();
        drop(self.hold.changed.wait_while(held, |held| *held).unwrap());
        self.disk.write(write)
    }
}
