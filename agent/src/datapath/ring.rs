//! The ring array, mapped into our memory: a ring of a thousand slots is written without a thousand system calls.
#![allow(unsafe_code)]

use std::{
    num::NonZeroUsize,
    ptr::NonNull,
    sync::atomic::{Ordering, fence},
};

use abi::{RING_MAX, Slot};
use aya::maps::MapData;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use super::DatapathError;

/// Bytes of the array: its slots lie side by side since their size is a multiple of eight.
const LENGTH: usize = RING_MAX as usize * size_of::<Slot>();

/// The kernel's `RING`. We are its only writer.
pub(super) struct Ring {
    slots: NonNull<Slot>,
    /// Keeps the map open.
    _data: MapData,
}

// SAFETY: the mapping belongs to this value alone and is no thread's own; access needs `&mut self` or copies out.
unsafe impl Send for Ring {}

impl Ring {
    pub(super) fn map(data: MapData) -> Result<Self, DatapathError> {
        let refuse = |reason: String| DatapathError::Map {
            map: abi::map::RING,
            reason,
        };
        let length = NonZeroUsize::new(LENGTH).ok_or_else(|| refuse("no slots".to_owned()))?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice; the map is an array made with BPF_F_MMAPABLE and
        // has at least LENGTH bytes, or the call fails.
        let memory = unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, data.fd(), 0) };
        let memory = memory.map_err(|error| refuse(format!("cannot be mapped into memory: {error}")))?;
        Ok(Self {
            slots: memory.cast(),
            _data: data,
        })
    }

    /// Fills slots from `base`. Complete in every CPU's eyes when it returns.
    pub(super) fn write(&mut self, base: u32, slots: &[Slot]) -> Result<(), DatapathError> {
        self.check(base, slots.len())?;
        for (i, slot) in slots.iter().enumerate() {
            // SAFETY: `check` has seen that base + i is within the mapping, which is aligned to pages; programs may read
            // at the same time, but not these slots: no frontend refers to them yet.
            unsafe { self.slots.add(base as usize + i).write_volatile(*slot) };
        }
        fence(Ordering::SeqCst);
        Ok(())
    }

    /// Copies `count` slots from `base`.
    pub(super) fn read(&self, base: u32, count: u32) -> Result<Vec<Slot>, DatapathError> {
        self.check(base, count as usize)?;
        // SAFETY: as in `write`; nobody writes but us.
        let at = |i: u32| unsafe { self.slots.add((base + i) as usize).read_volatile() };
        Ok((0..count).map(at).collect())
    }

    fn check(&self, base: u32, count: usize) -> Result<(), DatapathError> {
        if base as usize + count <= RING_MAX as usize {
            return Ok(());
        }
        Err(DatapathError::Map {
            map: abi::map::RING,
            reason: format!("slots {base} and {count} more lie outside of its {RING_MAX}"),
        })
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping that `map` made, with its length; `self` was the only way to it.
        let result = unsafe { munmap(self.slots.cast(), LENGTH) };
        if let Err(error) = result {
            tracing::warn!(%error, "unmapping the ring array");
        }
    }
}
