//! The working area of one pass: a scratch clone of the state, on which each decider's commands take effect at once,
//! so that the allocator sees the orchestrator's tasks and the scheduler sees their addresses. One pass thereby makes,
//! addresses and places a task in one log entry.

use model::{TaskId, Timestamp};
use store::{Command, State, TaskOp, View};

/// Changes per log entry, so that an entry stays well below a megabyte.
const OPS_PER_COMMAND: usize = 500;

/// A source of fresh 128-bit ids, drawn at random at the edge.
pub trait Ids {
    /// An id that has not been used.
    fn fresh(&mut self) -> u128;
}

impl<F: FnMut() -> u128> Ids for F {
    fn fresh(&mut self) -> u128 {
        self()
    }
}

/// See the module.
pub(crate) struct Draft<'a> {
    scratch: State,
    ops: Vec<TaskOp>,
    ids: &'a mut dyn Ids,
    /// When the pass runs; every command carries it.
    pub now: Timestamp,
}

impl<'a> Draft<'a> {
    pub fn new(view: &View, now: Timestamp, ids: &'a mut dyn Ids) -> Self {
        Self {
            scratch: view.clone(),
            ops: Vec::new(),
            ids,
            now,
        }
    }

    /// The state with everything that the pass decided so far; O(1).
    pub fn view(&self) -> View {
        self.scratch.clone()
    }

    pub fn task_id(&mut self) -> TaskId {
        TaskId::from_bits(self.ids.fresh())
    }

    /// Decides one change. A change that the state refuses is a decider's mistake: it is left out, and tests fail.
    pub fn decide(&mut self, op: TaskOp) {
        let outcome = self.scratch.apply_draft(Command::Tasks(vec![op.clone()]));
        debug_assert!(outcome.is_ok(), "{op:?}: {outcome:?}");
        if outcome.is_ok() {
            self.ops.push(op);
        }
    }

    /// What was decided, in order, as commands to propose in that order.
    pub fn finish(self) -> Vec<Command> {
        let chunks = self.ops.chunks(OPS_PER_COMMAND);
        chunks.map(|ops| Command::Tasks(ops.to_vec())).collect()
    }
}
