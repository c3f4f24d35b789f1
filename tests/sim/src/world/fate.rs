//! The user's requests, and what breaks.

use control::plan_init;
use model::{NetworkId, NodeId, RequestId, TaskId};
use store::{Command, Entry, State};

use super::{Happening, World, made, ms};
use crate::{check, user};

impl World {
    /// The cluster's first request: itself, its ingress network and its first machines.
    pub(super) fn begin(&mut self) -> check::Checked {
        let cluster = made::cluster(self.dice.id(), self.agenda.now);
        let (first, ingress) = (self.add_machine(), NetworkId::from_bits(self.dice.id()));
        let init = plan_init(&State::default(), cluster, first, ingress).map_err(|e| e.to_string())?;
        let mut batch = vec![init];
        for _ in 1..self.dice.between(1, 5) {
            batch.push(Command::UpsertNode(Box::new(self.add_machine())));
        }
        let request = RequestId::from_bits(self.dice.id());
        self.pending = Some(Entry {
            request,
            command: Command::Batch(batch),
        });
        Ok(())
    }

    pub(super) fn user(&mut self) -> check::Checked {
        let pause = self.dice.between(200, 2000);
        self.agenda.after(ms(pause), Happening::User);
        let Some(leader) = self.leader() else { return Ok(()) };
        let (view, now) = (self.managers[leader].view(), self.agenda.now);
        // Sometimes another manager is asked, which hands it on to the leader.
        let any = self.dice.between(1, self.managers.len() as u64) as usize - 1;
        let door = if self.dice.chance(200) { any } else { leader };
        if let Some(entry) = self.pending.take() {
            if view.outcome(entry.request).is_none() {
                self.pending = Some(entry.clone());
                return self.propose(door, &entry);
            }
            // Sometimes the answer was lost: the same request once more changes nothing.
            return if self.dice.chance(100) {
                self.propose(door, &entry)
            } else {
                Ok(())
            };
        }
        if self.calm {
            let undo = user::undo_drains(&view, now, &mut self.dice);
            return undo.iter().try_for_each(|entry| self.propose(leader, entry));
        }
        self.pending = user::request(&view, now, &mut self.dice);
        match self.pending.clone() {
            Some(entry) => self.propose(door, &entry),
            None => Ok(()),
        }
    }

    pub(super) fn misfortune(&mut self) {
        if self.calm {
            return;
        }
        let pause = self.dice.between(300, 4000);
        self.agenda.after(ms(pause), Happening::Misfortune);
        let ids: Vec<NodeId> = self.machines.iter().map(|machine| machine.id).collect();
        let Some(node) = self.dice.pick(&ids) else { return };
        let manager = self.dice.between(1, self.managers.len() as u64) as usize - 1;
        match self.dice.between(0, 11) {
            0..=4 => self.crash_container(node),
            5 | 6 => self.cut(node),
            7 => self.reboot(node),
            8 => self.restart_agent(node),
            9 => self.stop_manager(manager),
            10 => self.managers[manager].disk.set_failing(true),
            _ => self.cut_manager(manager),
        }
    }

    fn crash_container(&mut self, id: NodeId) {
        let (code, draw) = (self.dice.between(0, 1) as i64, self.dice.bits() as usize);
        if let Some(machine) = self.machine(id) {
            let all: Vec<TaskId> = machine.engine.keys().copied().collect();
            if let Some(task) = all.get(draw % all.len().max(1)) {
                machine.crash(*task, code);
            }
        }
        self.work(id);
    }

    fn cut(&mut self, id: NodeId) {
        let span = self.dice.between(200, 9000);
        if let Some(machine) = self.machine(id) {
            machine.linked = false;
        }
        self.agenda.after(ms(span), Happening::Reached(id));
    }

    fn reboot(&mut self, id: NodeId) {
        let span = self.dice.between(500, 12_000);
        if let Some(machine) = self.machine(id) {
            machine.power_off();
        }
        self.agenda.after(ms(span), Happening::Booted(id));
    }

    /// SIGKILL of the agent alone: containers go on.
    pub(super) fn restart_agent(&mut self, id: NodeId) {
        if let Some(machine) = self.machine(id).filter(|machine| machine.up) {
            machine.restart_agent(false);
            let run = machine.run;
            self.agenda.after(ms(10), Happening::Beat { node: id, run });
            self.program_soon(id);
        }
    }

    fn cut_manager(&mut self, m: usize) {
        self.managers[m].linked = false;
        let span = self.dice.between(200, 8000);
        self.agenda.after(ms(span), Happening::ManagerReached(m));
    }

    /// No more faults; everything comes back.
    pub(super) fn calm_down(&mut self) {
        self.calm = true;
        for m in 0..self.managers.len() {
            self.managers[m].disk.set_failing(false);
            self.agenda.after(ms(1), Happening::ManagerReached(m));
            self.agenda.after(ms(1), Happening::Recovered(m));
        }
        let ids: Vec<NodeId> = self.machines.iter().map(|machine| machine.id).collect();
        for id in ids {
            self.agenda.after(ms(1), Happening::Reached(id));
            self.agenda.after(ms(1), Happening::Booted(id));
        }
    }
}
