//! What a tape holds after a power cut at any point of what was asked of it.

use super::tape::{Dice, Op, put, torn};

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
        torn(self.synced.clone(), unsynced, dice)
    }
}
