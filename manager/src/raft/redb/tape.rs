//! A disk in memory that remembers what was asked of it since each sync, so that a power cut can be played at any point:
//! what was synced is there, of the rest any subset, in any order, and pieces of single writes.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use redb::StorageBackend;

/// Bytes that a disk writes whole or not at all.
const SECTOR: usize = 512;

/// What was asked of the disk.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Write { offset: u64, data: Vec<u8> },
    SetLen(u64),
    Sync,
}

#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    ops: Vec<Op>,
    /// What is there for good, of a tape that forgets what was synced; nothing otherwise.
    synced: Option<Vec<u8>>,
    /// The process that has the disk: grows with each.
    process: u64,
    /// So many operations work, the one after them and all others fail.
    left: Option<usize>,
    /// Length that the disk does not grow beyond.
    capacity: Option<u64>,
    sync_fails: bool,
}

/// See the module. Clones are the same disk, of the same process.
#[derive(Clone, Debug, Default)]
pub(super) struct Tape {
    content: Arc<Mutex<Content>>,
    process: u64,
}

impl Tape {
    /// An empty disk that remembers only what was asked since the last sync.
    pub(super) fn forgetful() -> Self {
        let tape = Self::default();
        tape.with(|content| content.synced = Some(Vec::new()));
        tape
    }

    fn with<T>(&self, work: impl FnOnce(&mut Content) -> T) -> T {
        work(&mut self.content.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a process asks for; one that is dead changes nothing.
    fn asked<T>(&self, work: impl FnOnce(&mut Content) -> io::Result<T>) -> io::Result<T> {
        self.with(|content| {
            if content.process != self.process || content.left == Some(0) {
                return Err(io::Error::other("made to fail"));
            }
            content.left.iter_mut().for_each(|left| *left -= 1);
            work(content)
        })
    }

    /// The same disk for another process; the one before is dead.
    pub(super) fn handed_on(&self) -> Self {
        let process = self.with(|content| {
            content.process += 1;
            content.process
        });
        let content = self.content.clone();
        Self { content, process }
    }

    /// So many operations work, and then none, until the power goes.
    pub(super) fn fail_after(&self, operations: Option<usize>) {
        self.with(|content| content.left = operations);
    }

    /// Whether an operation has failed, or the next one will.
    pub(super) fn fails(&self) -> bool {
        self.with(|content| content.left == Some(0))
    }

    /// The disk does not grow beyond what it has.
    pub(super) fn fill(&self) {
        self.with(|content| content.capacity = Some(0));
    }

    /// It grows, and works.
    pub(super) fn mend(&self) {
        self.with(|content| (content.capacity, content.left) = (None, None));
    }

    /// The power goes: of what was asked since the last sync some was lost, some came early, some is torn. Of a tape that
    /// forgets.
    pub(super) fn lose_power(&self, dice: &mut Dice) {
        self.with(|content| {
            let ops = std::mem::take(&mut content.ops);
            let left = torn(content.synced.clone().unwrap_or_default(), &ops, dice);
            content.bytes.clone_from(&left);
            content.synced = Some(left);
            content.left = None;
        });
    }
}

#[cfg(test)]
impl Tape {
    /// A disk that holds `bytes`.
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        let tape = Self::default();
        tape.with(|content| content.bytes = bytes);
        tape
    }

    /// What a reader sees now.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.with(|content| content.bytes.clone())
    }

    /// How much was asked so far.
    pub(super) fn position(&self) -> usize {
        self.with(|content| content.ops.len())
    }

    /// All that was asked.
    pub(super) fn ops(&self) -> Vec<Op> {
        self.with(|content| content.ops.clone())
    }

    /// From now on syncs fail (true) or work (false).
    pub(super) fn set_sync_fails(&self, fails: bool) {
        self.with(|content| content.sync_fails = fails);
    }
}

impl StorageBackend for Tape {
    fn len(&self) -> io::Result<u64> {
        Ok(self.with(|content| content.bytes.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.with(|content| {
            let end = offset as usize + out.len();
            let found = content.bytes.get(offset as usize..end);
            out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.asked(|content| {
            let now = content.bytes.len() as u64;
            if content.capacity.is_some_and(|capacity| len > capacity.max(now)) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            content.ops.push(Op::SetLen(len));
            content.bytes.resize(len as usize, 0);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.asked(|content| {
            if content.sync_fails {
                return Err(io::Error::other("made to fail"));
            }
            match &mut content.synced {
                None => content.ops.push(Op::Sync),
                Some(synced) => content.ops.drain(..).for_each(|op| put(synced, &op, usize::MAX)),
            }
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.asked(|content| {
            let op = Op::Write {
                offset,
                data: data.to_vec(),
            };
            put(&mut content.bytes, &op, data.len());
            content.ops.push(op);
            Ok(())
        })
    }
}

/// Carries out the first `limit` bytes of an operation.
pub(super) fn put(bytes: &mut Vec<u8>, op: &Op, limit: usize) {
    match op {
        Op::Write { offset, data } => {
            let (start, part) = (*offset as usize, &data[..limit.min(data.len())]);
            if bytes.len() < start + part.len() {
                bytes.resize(start + part.len(), 0);
            }
            bytes[start..start + part.len()].copy_from_slice(part);
        }
        Op::SetLen(len) => bytes.resize(*len as usize, 0),
        Op::Sync => {}
    }
}

/// Dice with a seed (SplitMix64, Steele et al. 2014), so that a failing cut can be played again.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit.max(1) as u64) as usize
    }

    fn chance(&mut self, of_hundred: usize) -> bool {
        self.below(100) < of_hundred
    }
}

/// What is left of `disk` and what was asked since its last sync, of which some was lost, some came early, some is torn
/// between two sectors.
pub(super) fn torn(mut disk: Vec<u8>, unsynced: &[Op], dice: &mut Dice) -> Vec<u8> {
    let lost = dice.below(101);
    for op in unsynced {
        let Op::Write { offset, data } = op else {
            // A length may be lost like a page, but pages behind it bring their own.
            if !dice.chance(lost) {
                put(&mut disk, op, usize::MAX);
            }
            continue;
        };
        for (sector, piece) in data.chunks(SECTOR).enumerate() {
            if !dice.chance(lost) {
                let piece = Op::Write {
                    offset: offset + (sector * SECTOR) as u64,
                    data: piece.to_vec(),
                };
                put(&mut disk, &piece, usize::MAX);
            }
        }
    }
    disk
}
