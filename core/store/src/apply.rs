//! `State::apply`: one committed entry, the same on every manager. Called by the raft driver in log order.
//!
//! Total (a refusal is a value), deterministic (ordered tables; no clock, no dice) and all-or-nothing per entry: the
//! state before is a clone away. Also called by `control` on a scratch clone, so that deciders see their own commands.

mod canary;
mod cluster;
mod job;
mod member;
mod network;
mod node;
mod payload;
mod service;
mod task;
mod trust;

use crate::{Command, Entry, Event, Refused, State, TaskOp};

pub use task::Given;

impl State {
    /// Carries out the entry at `index` of the log. An entry at or below the last index changes nothing; neither does
    /// one whose request was applied before: it gets the outcome of the first time, without events.
    pub fn apply(&mut self, index: u64, entry: Entry) -> Result<Vec<Event>, Refused> {
        self.apply_repeated(index, entry, None)
    }

    /// The same for an entry that may have been proposed more than once, first when its proposer had applied the log up
    /// to `since`. If a request behind that is forgotten it may have been this one: it is not carried out again.
    pub fn apply_repeated(&mut self, index: u64, entry: Entry, since: Option<u64>) -> Result<Vec<Event>, Refused> {
        if index <= self.tables.applied {
            return Ok(Vec::new());
        }
        self.tables.applied = index;
        let known = self.outcome(entry.request);
        #[cfg(feature = "planted")]
        let known = known.filter(|_| !planted::is(planted::Bug::RepeatedRequest));
        if let Some(outcome) = known {
            return outcome.map(|()| Vec::new());
        }
        if since.is_some_and(|since| since < self.tables.forgotten) {
            return Err(Refused::Outdated);
        }
        let result = self.apply_command(index, entry.command);
        self.remember(entry.request, result.as_ref().err().cloned());
        result
    }

    /// The index of an entry that carries no command (raft makes one when a leader is elected).
    pub fn apply_nothing(&mut self, index: u64) {
        self.tables.applied = self.tables.applied.max(index);
    }

    /// Carries out a command on a scratch clone as if it came next in the log, without remembering a request.
    pub fn apply_draft(&mut self, command: Command) -> Result<Vec<Event>, Refused> {
        self.apply_command(self.tables.applied + 1, command)
    }

    /// Carries out one change of a task on a scratch clone, faster than [`State::apply_draft`]: nothing says what it touched, and
    /// one that is refused may have moved the cursors of addresses.
    pub fn apply_op(&mut self, op: TaskOp) -> Result<(), Refused> {
        self.task_op(self.tables.applied + 1, op, &mut Vec::new())
    }

    fn apply_command(&mut self, index: u64, command: Command) -> Result<Vec<Event>, Refused> {
        let mut events = Vec::new();
        match command {
            Command::Tasks(ops) => self.apply_tasks(index, ops, &mut events)?,
            command => {
                let before = self.clone();
                if let Err(refused) = self.step(index, command, &mut events) {
                    *self = before;
                    return Err(refused);
                }
            }
        }
        events.sort_unstable();
        events.dedup();
        Ok(events)
    }

    fn step(&mut self, index: u64, command: Command, events: &mut Vec<Event>) -> Result<(), Refused> {
        match command {
            Command::InitCluster(cluster) => self.init_cluster(index, *cluster, events),
            Command::UpdateTokens {
                version,
                worker,
                manager,
            } => self.update_tokens(index, version, worker.0, manager.0, events),
            Command::Token(step) => self.token_step(step),
            Command::UpdateSettings { version, settings } => self.update_settings(index, version, *settings, events),
            Command::StartRootRotation { version, rotation } => {
                self.start_root_rotation(index, version, *rotation, events)
            }
            Command::FinishRootRotation { digest } => self.finish_root_rotation(index, &digest, events),
            Command::NodeTrust { id, trust } => self.set_node_trust(id, *trust, events),
            Command::SetUnlockKey { unlock_key } => self.set_unlock_key(index, unlock_key.0, events),
            Command::CreateNetwork(new) => self.create_network(index, *new, events),
            Command::RemoveNetwork { id } => self.remove_network(id, events),
            Command::CreateService(new) => self.create_service(index, *new, events),
            Command::UpdateService(change) => self.update_service(index, *change, events),
            Command::PromoteCanary { id, version, at } => self.promote_canary(index, id, version, at, events),
            Command::RollbackService(back) => self.rollback_service(index, *back, events),
            Command::SetUpdateStatus { id, version, status } => self.set_update_status(id, version, *status, events),
            Command::RemoveService { id, at } => self.remove_service(index, id, at, events),
            Command::Rebalance { id, version, rebalance } => self.rebalance(index, id, version, rebalance, events),
            Command::JobRun {
                id,
                iteration,
                at,
                step,
            } => self.job_run(index, (id, iteration), at, step, events),
            Command::CreatePayload(new) => self.create_payload(index, *new, events),
            Command::LabelPayload(change) => self.label_payload(index, *change, events),
            Command::RotatePayload(rotation) => self.rotate_payload(index, *rotation, events),
            Command::RemovePayload { id } => self.remove_payload(id, events),
            Command::UpsertNode(node) => self.upsert_node(index, *node, events),
            Command::DescribeNode {
                id,
                at,
                addr,
                control,
                description,
            } => self.describe_node(index, id, at, (addr, control), *description, events),
            Command::MoveManager { id, at, addr } => self.move_manager(index, id, at, addr, events),
            Command::Member(change) => self.member_step(index, change, events),
            Command::SkipRaftIds { through } => {
                self.skip_raft_ids(through);
                Ok(())
            }
            Command::NodeStatus { id, at, state, message } => self.node_status(index, id, at, state, message, events),
            Command::UpdateNodeSpec { id, version, at, spec } => {
                self.update_node_spec(index, id, version, at, spec, events)
            }
            Command::RemoveNode { id, at, force } => self.remove_node(index, id, at, force, events),
            Command::Tasks(ops) => ops.into_iter().try_for_each(|op| self.task_op(index, op, events)),
            Command::Batch(all) => all
                .into_iter()
                .try_for_each(|command| self.step(index, command, events)),
        }
    }
}

#[cfg(test)]
mod tests;
