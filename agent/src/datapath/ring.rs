//! The ring array, written through our memory: a ring of a thousand slots takes no thousand system calls.
#![allow(unsafe_code)]

use std::{
    ffi::c_void,
    num::NonZeroUsize,
    ptr::NonNull,
    sync::atomic::{Ordering, fence},
};

use abi::{RING_MAX, Slot};
use aya::maps::MapData;
use nix::{
    sys::mman::{MapFlags, ProtFlags, mmap, munmap},
    unistd::{SysconfVar, sysconf},
};

use super::DatapathError;

/// Bytes of the array: its slots lie side by side since their size is a multiple of eight.
const LENGTH: usize = RING_MAX as usize * size_of::<Slot>();

/// The kernel's `RING`. We are its only writer.
pub(super) struct Ring {
    data: MapData,
    /// Bytes of a page, of which a mapping has whole ones.
    page: usize,
}

/// Slots of the array in our memory, for as long as they are looked at: the kernel counts every mapped page of a map as
/// ours, and an idle daemon needs none.
struct Window {
    memory: NonNull<c_void>,
    length: NonZeroUsize,
    /// The first slot asked for; those before it in its page are mapped too.
    slots: NonNull<Slot>,
}

impl Ring {
    pub(super) fn open(data: MapData) -> Result<Self, DatapathError> {
        let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
        let page = page
            .and_then(|bytes| usize::try_from(bytes).ok())
            .filter(|bytes| *bytes > 0);
        match page {
            Some(page) => Ok(Self { data, page }),
            None => Err(refused("the size of a page is not known")),
        }
    }

    /// Fills slots from `base`. Complete in every CPU's eyes when it returns.
    pub(super) fn write(&mut self, base: u32, slots: &[Slot]) -> Result<(), DatapathError> {
        let window = self.map(base, slots.len())?;
        for (i, slot) in slots.iter().enumerate() {
            // SAFETY: the window has slots.len() slots; programs may read at the same time, but not these slots: no
            // frontend refers to them yet.
            unsafe { window.slots.add(i).write_volatile(*slot) };
        }
        fence(Ordering::SeqCst);
        Ok(())
    }

    /// Copies `count` slots from `base`.
    pub(super) fn read(&self, base: u32, count: u32) -> Result<Vec<Slot>, DatapathError> {
        let window = self.map(base, count as usize)?;
        // SAFETY: the window has `count` slots; nobody writes but us.
        let at = |i: u32| unsafe { window.slots.add(i as usize).read_volatile() };
        Ok((0..count).map(at).collect())
    }

    /// Maps `count` slots from `base`.
    fn map(&self, base: u32, count: usize) -> Result<Window, DatapathError> {
        let from = base as usize * size_of::<Slot>();
        let until = from + count * size_of::<Slot>();
        if until > LENGTH {
            return Err(refused(&format!(
                "slots {base} and {count} more lie outside of its {RING_MAX}"
            )));
        }
        let skipped = from % self.page;
        let length = NonZeroUsize::new(until - from + skipped).unwrap_or(NonZeroUsize::MIN);
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let offset = (from - skipped).try_into().map_err(|_| refused("it is too large"))?;
        // SAFETY: a new mapping at an address of the kernel's choice; the map is an array made with BPF_F_MMAPABLE, and
        // the call fails if it does not reach so far.
        let memory = unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, self.data.fd(), offset) };
        let memory = memory.map_err(|error| refused(&format!("cannot be mapped into memory: {error}")))?;
        // SAFETY: `skipped` is less than the mapping's length, and a multiple of a slot's size as `from` and pages are.
        let slots = unsafe { memory.byte_add(skipped) }.cast();
        Ok(Window { memory, length, slots })
    }
}

fn refused(reason: &str) -> DatapathError {
    DatapathError::Map {
        map: abi::map::RING,
        reason: reason.to_owned(),
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: the mapping that `map` made, with its length; `self` was the only way to it.
        let result = unsafe { munmap(self.memory, self.length.get()) };
        if let Err(error) = result {
            tracing::warn!(%error, "unmapping the ring array");
        }
    }
}
