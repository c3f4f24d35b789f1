//! The real disk for simulations: the file is in memory, and what was not synced is lost with the power.

use seal::{Keyring, Keys};

use super::{
    RedbDisk, database,
    tape::{Dice, Tape},
};
use crate::raft::{
    disk::{Disk, DiskError, DiskWrite, Saved},
    memory::DiskFault,
};

/// A manager's disk. Clones are the same file: one is handed to each process of the manager, and [`Self::killed`] cuts
/// those off that have it.
pub struct SimulatedDisk {
    tape: Tape,
    keyring: Keyring,
    disk: RedbDisk,
    /// Times that the power went: what is lost is another thing each time.
    cuts: u64,
}

impl Clone for SimulatedDisk {
    fn clone(&self) -> Self {
        Self::over(self.tape.clone(), self.keyring.clone(), self.cuts)
    }
}

impl SimulatedDisk {
    /// The disk of a member that begins with `first`.
    ///
    /// # Errors
    /// What the database says.
    pub fn of(first: &Saved) -> Result<Self, DiskError> {
        let new = Self::over(Tape::forgetful(), Keyring::new(Keys::fresh()), 0);
        let Self {
            tape, keyring, disk, ..
        } = new;
        disk.begin(first)?;
        Ok(Self::over(tape, keyring, 0))
    }

    fn over(tape: Tape, keyring: Keyring, cuts: u64) -> Self {
        let file = tape.clone();
        let open = move |faults| database(file.clone(), faults);
        let disk = RedbDisk::over("the simulated file".to_owned(), Box::new(open), keyring.clone());
        Self {
            tape,
            keyring,
            disk,
            cuts,
        }
    }

    /// From now on it fails like this, or works. A write that fails is cut off after `operations` of the file system.
    pub fn set_fault(&self, fault: Option<DiskFault>, operations: usize) {
        match fault {
            None => self.tape.mend(),
            Some(DiskFault::Full) => self.tape.fill(),
            Some(DiskFault::Error) => self.tape.fail_after(Some(0)),
            Some(DiskFault::ErrorAfterWrite) => self.tape.fail_after(Some(operations)),
        }
    }

    /// The process that has it is dead. `power`: the machine went with it, and what was not synced may be lost; so may it
    /// where an operation has failed.
    pub fn killed(&mut self, power: bool) {
        if power || self.tape.fails() {
            self.cuts += 1;
            self.tape.lose_power(&mut Dice(self.cuts));
        }
        *self = Self::over(self.tape.handed_on(), self.keyring.clone(), self.cuts);
    }
}

impl Disk for SimulatedDisk {
    fn load(&mut self) -> Result<Saved, DiskError> {
        self.disk.load()
    }

    fn write(&mut self, write: &DiskWrite<'_>) -> Result<(), DiskError> {
        self.disk.write(write)
    }
}
