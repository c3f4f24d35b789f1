//! The working area of one pass: a scratch clone of the state, on which each decider's changes take effect at once, so
//! that the allocator sees the orchestrator's tasks and the scheduler sees their addresses. A task that is made, addressed
//! and placed in one pass is one change in the log.

use std::collections::BTreeSet;

use model::{Attachment, NodeId, Task, TaskId, Timestamp};
use store::{Command, Given, State, TaskOp, View};

use crate::moment::Moment;

/// Weight of the changes of one log entry, in bytes: large enough to make fsync cheap per change, small enough that an
/// entry neither holds up others nor exceeds a message.
const ENTRY_WEIGHT: usize = 512 << 10;
/// Encoded bytes of a change, without texts of the user.
const OP_WEIGHT: usize = 300;

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
    base: &'a View,
    scratch: State,
    /// Changes of services, in order.
    services: Vec<Command>,
    /// Changes of tasks that were there before, in order.
    ops: Vec<TaskOp>,
    /// Tasks made in this pass, in order; they are in `scratch` as they have become since.
    made: Vec<TaskId>,
    is_made: BTreeSet<TaskId>,
    ids: &'a mut dyn Ids,
    /// When the pass runs; every command carries it.
    pub now: Timestamp,
    /// The same, with what its leader cannot know yet.
    pub moment: Moment,
}

impl<'a> Draft<'a> {
    pub fn new(base: &'a View, moment: Moment, ids: &'a mut dyn Ids) -> Self {
        Self {
            base,
            scratch: base.clone(),
            services: Vec::new(),
            ops: Vec::new(),
            made: Vec::new(),
            is_made: BTreeSet::new(),
            ids,
            now: moment.now,
            moment,
        }
    }

    /// The state as the pass found it.
    pub fn base(&self) -> &'a View {
        self.base
    }

    /// The state with everything that the pass decided so far.
    pub fn state(&self) -> &State {
        &self.scratch
    }

    /// The tasks made so far.
    pub fn made(&self) -> &[TaskId] {
        &self.made
    }

    pub fn task_id(&mut self) -> TaskId {
        TaskId::from_bits(self.ids.fresh())
    }

    /// Decides one change. A change that the state refuses is a decider's mistake: it is left out, and tests fail.
    pub fn decide(&mut self, op: TaskOp) {
        let task = op.task();
        if matches!(op, TaskOp::Create(_)) {
            if self.carry_out(op) {
                self.made.push(task);
                self.is_made.insert(task);
            }
        } else if self.is_made.contains(&task) {
            self.carry_out(op);
        } else if self.carry_out(op.clone()) {
            self.ops.push(op);
        }
    }

    /// Decides the node of a task, and, if it has none yet, its addresses.
    pub fn place(&mut self, task: TaskId, addresses: Option<Vec<Attachment>>, node: NodeId, given: Given) {
        let at = self.now;
        match addresses {
            // One change in the log anyway: one write is enough here.
            Some(attachments) if self.is_made.contains(&task) => {
                let outcome = self.scratch.apply_placed(task, at, attachments, node, given);
                debug_assert!(outcome.is_ok(), "{task}: {outcome:?}");
                return;
            }
            Some(attachments) => self.decide(TaskOp::Allocate { task, at, attachments }),
            None => {}
        }
        let (generic_resources, host_ports) = given;
        self.decide(TaskOp::Assign {
            task,
            at,
            node,
            generic_resources,
            host_ports,
        });
    }

    /// Decides a change of a service; the base shows it as it was. What is refused is left out, as with tasks.
    pub fn decide_service(&mut self, command: Command) {
        let outcome = self.scratch.apply_draft(command.clone());
        debug_assert!(outcome.is_ok(), "{command:?}: {outcome:?}");
        if outcome.is_ok() {
            self.services.push(command);
        }
    }

    fn carry_out(&mut self, op: TaskOp) -> bool {
        let task = op.task();
        let outcome = self.scratch.apply_op(op);
        debug_assert!(outcome.is_ok(), "{task}: {outcome:?}");
        outcome.is_ok()
    }

    /// What was decided, as commands to propose in that order. New tasks come last: what they take may have been given
    /// back in the same pass.
    pub fn finish(self) -> Vec<Command> {
        let scratch = &self.scratch;
        let made = self.made.iter().filter_map(|id| scratch.task(*id));
        let made = made.map(|task| TaskOp::Create(Box::new(task.clone())));
        let mut commands = self.services;
        let (mut entry, mut weight) = (Vec::new(), 0);
        for op in self.ops.into_iter().chain(made) {
            weight += weigh(&op);
            if weight > ENTRY_WEIGHT && !entry.is_empty() {
                commands.push(Command::Tasks(std::mem::take(&mut entry)));
                weight = weigh(&op);
            }
            entry.push(op);
        }
        if !entry.is_empty() {
            commands.push(Command::Tasks(entry));
        }
        commands
    }
}

/// Roughly the encoded bytes of a change: texts without a limit are counted, all else is a constant.
fn weigh(op: &TaskOp) -> usize {
    match op {
        TaskOp::Create(task) => 3 * OP_WEIGHT + weigh_container(task),
        TaskOp::Explain { err, .. } => OP_WEIGHT + err.len(),
        _ => OP_WEIGHT,
    }
}

fn weigh_container(task: &Task) -> usize {
    let spec = &task.container;
    let lists = [&spec.command, &spec.args, &spec.env];
    let labels = spec.labels.iter().chain(task.service_labels.iter());
    let labels = labels.map(|(name, value)| name.len() + value.len());
    lists
        .into_iter()
        .flatten()
        .map(String::len)
        .chain(labels)
        .sum::<usize>()
        + spec.registry_auth.as_ref().map_or(0, String::len)
}
