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
    /// Length that the disk does not grow beyond.
    capacity: Option<u64>,
    sync_fails: bool,
}

/// See the module. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Tape(Arc<Mutex<Content>>);

impl Tape {
    /// A disk that holds `bytes`.
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        let content = Content {
            bytes,
            ..Content::default()
        };
        Self(Arc::new(Mutex::new(content)))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Content) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
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

    /// The disk does not grow beyond this; `None`: it does.
    pub(super) fn set_capacity(&self, capacity: Option<u64>) {
        self.with(|content| content.capacity = capacity);
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
        self.with(|content| {
            if content
                .capacity
                .is_some_and(|capacity| len > capacity.max(content.bytes.len() as u64))
            {
                return Err(io::ErrorKind::StorageFull.into());
            }
            content.ops.push(Op::SetLen(len));
            content.bytes.resize(len as usize, 0);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(|content| {
            if content.sync_fails {
                return Err(io::Error::other("made to fail"));
            }
            content.ops.push(Op::Sync);
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.with(|content| {
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
fn put(bytes: &mut Vec<u8>, op: &Op, limit: usize) {
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

/// Plays `ops` forward over a base: what was synced is carried out for good as the cut moves on.
pub(super) struct Replay<'a> {
    ops: &'a [Op],
    /// Everything up to the last sync before the cut.
    synced: Vec<u8>,
    next: usize,
}

impl<'a> Replay<'a> {
    pub(super) fn of(ops: &'a [Op]) -> Self {
        Self {
            ops,
            synced: Vec::new(),
            next: 0,
        }
    }

    /// Moves what is synced on to the last sync before `cut`; cuts must come in order.
    fn unsynced(&mut self, cut: usize) -> &'a [Op] {
        let last = self.ops[..cut].iter().rposition(|op| matches!(op, Op::Sync));
        let until = last.map_or(0, |sync| sync + 1).max(self.next);
        for op in &self.ops[self.next..until] {
            put(&mut self.synced, op, usize::MAX);
        }
        self.next = until;
        &self.ops[until..cut]
    }

    /// The disk when the power goes after `cut` operations and `bytes` of the next, all in order.
    pub(super) fn in_order(&mut self, cut: usize, bytes: usize) -> Vec<u8> {
        let unsynced = self.unsynced(cut);
        let mut disk = self.synced.clone();
        for op in unsynced {
            put(&mut disk, op, usize::MAX);
        }
        if let Some(op @ Op::Write { .. }) = self.ops.get(cut) {
            put(&mut disk, op, bytes);
        }
        disk
    }

    /// The disk when the power goes after `cut` operations, and of those since the last sync some were lost, some came
    /// early, some are torn between two sectors.
    pub(super) fn torn(&mut self, cut: usize, dice: &mut Dice) -> Vec<u8> {
        let unsynced = self.unsynced(cut);
        let mut disk = self.synced.clone();
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
}
