//! What managers keep their logs on: in most seeds plain memory, which is fast, in some the product's own file, of which a
//! power cut leaves only what was synced.

use manager::raft::{Disk, DiskError, DiskFault, DiskWrite, MemoryDisk, Saved, SimulatedDisk};

/// See the module. Clones have the same content.
#[derive(Clone)]
pub enum LogDisk {
    /// Every write that worked is there for good.
    Memory(MemoryDisk),
    /// The real file, in memory.
    File(Box<SimulatedDisk>),
}

impl LogDisk {
    /// The disk of a member that begins with `first`.
    pub fn of(first: Saved, file: bool) -> Result<Self, DiskError> {
        Ok(match file {
            true => Self::File(Box::new(SimulatedDisk::of(&first)?)),
            false => Self::Memory(MemoryDisk::of(first)),
        })
    }

    /// From now on writes fail like this, or work. In a file one that fails may be cut off anywhere; `pick` says where.
    pub fn set_fault(&self, fault: Option<DiskFault>, pick: u64) {
        match self {
            Self::Memory(disk) => disk.set_fault(fault),
            Self::File(disk) => disk.set_fault(fault, (pick % OPERATIONS) as usize),
        }
    }

    /// The process that writes to it is dead; with `power` the machine too.
    pub fn killed(&mut self, power: bool) {
        match self {
            Self::Memory(_) => {}
            Self::File(disk) => disk.killed(power),
        }
    }
}

/// A commit takes about half as many operations of the file system.
const OPERATIONS: u64 = 24;

impl Disk for LogDisk {
    fn load(&mut self) -> Result<Saved, DiskError> {
        match self {
            Self::Memory(disk) => disk.load(),
            Self::File(disk) => disk.load(),
        }
    }

    fn write(&mut self, write: &DiskWrite<'_>) -> Result<(), DiskError> {
        match self {
            Self::Memory(disk) => disk.write(write),
            Self::File(disk) => disk.write(write),
        }
    }
}
