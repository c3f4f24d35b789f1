//! The steps of the schedule: what breaks, and how it comes back.

use std::time::Duration;

use manager::raft::DiskFault;
use model::{NodeId, TaskId};

use super::{Happening, World, ms, shifted};
use crate::{
    net::{End, Way, Who},
    schedule::What,
};

/// After a day tasks of a node that is down are given up; a manager's clock may be half a minute off.
const DAY: Duration = Duration::from_secs(24 * 3600 + 60);

impl World {
    /// Carries out a step of the schedule.
    pub(super) fn step(&mut self, number: usize) {
        let what = self.schedule[number].what.clone();
        *self.faults.entry(what.name()).or_default() += 1;
        let now = self.agenda.now;
        match what {
            What::Wish(_)
            | What::Promote { .. }
            | What::Demote { .. }
            | What::Leave { .. }
            | What::Remove { .. }
            | What::JoinManager => self.wishes.push_back(what),
            What::ContainerEnds { pick, code } => self.container_ends(pick, code),
            What::NodeCut { pick, way, span } => {
                let end = End::Node(self.some_node(pick));
                self.net.cut(end, Who::All, way, now + span);
            }
            What::NodeManagerCut {
                pick,
                manager,
                way,
                span,
            } => {
                let (end, other) = (
                    End::Node(self.some_node(pick)),
                    End::Manager(self.some_manager(manager)),
                );
                self.net.cut(end, Who::One(other), way, now + span);
            }
            What::Reboot { pick, span } => self.reboot(self.some_node(pick), span),
            What::Day => self.leap(DAY),
            What::AgentKilled { pick } => self.restart_agent(self.some_node(pick)),
            What::ManagerCut { pick, way, span } => {
                let end = End::Manager(self.some_manager(pick));
                self.net.cut(end, Who::All, way, now + span);
            }
            What::ManagersCut { pick, other, way, span } => self.cut_managers(pick, other, way, span),
            What::BadWeather { weather, span } => self.net.set_weather(weather, now + span),
            What::NodeClock { pick, ms, span } => {
                let node = self.some_node(pick);
                self.set_node_clock(node, ms);
                self.agenda.after(span, Happening::NodeClock(node));
            }
            of_manager => self.manager_fault(of_manager),
        }
    }

    fn manager_fault(&mut self, what: What) {
        match what {
            What::ManagerKilled { pick, span } => self.stop_manager(self.some_manager(pick), span),
            What::ManagersPowerCut { span } => self.seats().into_iter().for_each(|m| self.power_off(m, span)),
            What::ManagerPaused { pick, span } => self.pause(self.some_manager(pick), span),
            What::DiskError { pick, written } => {
                let fault = if written {
                    DiskFault::ErrorAfterWrite
                } else {
                    DiskFault::Error
                };
                self.managers[self.some_manager(pick)].disk.set_fault(Some(fault), pick);
            }
            What::DiskFull { pick, span } => {
                let manager = self.some_manager(pick);
                self.managers[manager].disk.set_fault(Some(DiskFault::Full), 0);
                self.agenda.after(span, Happening::DiskSpace(manager));
            }
            What::ManagerClock { pick, ms, span } => {
                let manager = self.some_manager(pick);
                self.managers[manager].skew = ms * 1_000_000;
                self.agenda.after(span, Happening::ManagerClock(manager));
            }
            _ => {}
        }
    }

    fn leap(&mut self, span: Duration) {
        self.agenda.leap(span);
        self.net.leap(span);
        self.clients.leap(span);
        let now = self.agenda.now;
        for manager in &mut self.managers {
            manager.leap(span, shifted(now, manager.skew));
        }
        self.leapt += span;
    }

    fn some_node(&self, pick: u64) -> NodeId {
        self.machines[pick as usize % self.machines.len()].id
    }

    fn some_manager(&self, pick: u64) -> usize {
        let seats = self.seats();
        seats[pick as usize % seats.len()]
    }

    fn container_ends(&mut self, pick: u64, code: i64) {
        let all = self
            .machines
            .iter()
            .flat_map(|machine| machine.engine.iter().map(|(task, state)| (machine.id, *task, state)));
        let running = all.filter(|(_, _, state)| state.runs());
        let all: Vec<(NodeId, TaskId)> = running.map(|(node, task, _)| (node, task)).collect();
        let Some((node, task)) = all.get(pick as usize % all.len().max(1)).copied() else {
            return;
        };
        if let Some(machine) = self.machine(node) {
            machine.crash(task, code);
        }
        self.work(node);
    }

    fn cut_managers(&mut self, pick: u64, other: u64, way: Way, span: Duration) {
        let (one, other) = (self.some_manager(pick), self.some_manager(other));
        if one != other {
            let until = self.agenda.now + span;
            self.net
                .cut(End::Manager(one), Who::One(End::Manager(other)), way, until);
        }
    }

    fn reboot(&mut self, id: NodeId, span: Duration) {
        if let Some(machine) = self.machine(id).filter(|machine| machine.up) {
            machine.power_off();
            self.agenda.after(span, Happening::Booted(id));
            if let Some(m) = self.seat_of(id) {
                self.power_off(m, span);
            }
        }
    }

    /// SIGKILL of the agent alone: containers go on.
    pub(super) fn restart_agent(&mut self, id: NodeId) {
        let now = self.agenda.now;
        if let Some(machine) = self.machine(id).filter(|machine| machine.up) {
            machine.restart_agent(false, now);
            let run = machine.run;
            self.agenda.after(ms(10), Happening::Beat { node: id, run });
            self.program_soon(id);
        }
    }

    pub(super) fn pause(&mut self, m: usize, span: Duration) {
        if self.managers[m].replica.is_some() && self.managers[m].paused.is_none() {
            self.managers[m].paused = Some(Vec::new());
            self.agenda.after(span, Happening::Resumed(m));
        }
    }

    /// What has come to a stopped process is dealt with now, in order.
    pub(super) fn resume(&mut self, m: usize) {
        for happening in self.managers[m].paused.take().into_iter().flatten() {
            self.agenda.at(self.agenda.now, happening);
        }
    }

    pub(super) fn set_node_clock(&mut self, node: NodeId, ms: i64) {
        if let Some(machine) = self.machine(node) {
            machine.skew = ms * 1_000_000;
        }
    }

    /// No more faults; everything comes back.
    pub(super) fn calm_down(&mut self) {
        self.calm = true;
        self.net.heal();
        for m in self.seats() {
            self.managers[m].disk.set_fault(None, 0);
            self.managers[m].skew = 0;
            self.agenda.after(ms(1), Happening::Resumed(m));
            self.agenda.after(ms(1), Happening::Recovered(m));
        }
        let ids: Vec<NodeId> = self.machines.iter().map(|machine| machine.id).collect();
        for id in ids {
            self.set_node_clock(id, 0);
            self.agenda.after(ms(1), Happening::Booted(id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{node::Machine, world::BEGIN};

    #[test]
    fn an_agent_that_begins_anew_with_the_latest_view_hears_from_the_managers() {
        let mut world = World::new(1, 3, &[]).unwrap();
        world.until(BEGIN + Duration::from_secs(10)).unwrap();
        world.calm_down();
        world.until(world.agenda.now + Duration::from_secs(30)).unwrap();
        world.converged().unwrap();
        let has = |machine: &Machine| machine.view.as_ref().unwrap().checksum();
        let (id, before) = (world.machines[0].id, has(&world.machines[0]));
        world.restart_agent(id);
        assert!(world.machines[0].begins());
        world.until(world.agenda.now + Duration::from_secs(5)).unwrap();
        assert!(!world.machines[0].begins());
        assert_eq!(has(&world.machines[0]), before, "there was no news");
    }
}
