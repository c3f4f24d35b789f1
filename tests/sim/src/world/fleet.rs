//! The machines, and the network between them and the managers.

use std::time::Duration;

use control::Update;
use model::{Node, NodeId, Role, TaskId};
use store::{Command, Entry};

use super::{Happening, World, happening::Calling, made, ms};
use crate::{
    check::{self, Checked},
    net::End,
    node::{Machine, Operation, Taken},
};

const HEARTBEAT: Duration = Duration::from_millis(800);

impl World {
    /// Adds a machine and the node that it wants to become.
    pub(super) fn add_machine(&mut self, role: Role) -> Node {
        let (id, now) = (NodeId::from_bits(self.dice.id()), self.agenda.now);
        self.machines.push(Machine::new(id, now));
        self.agenda.after(ms(10), Happening::Beat { node: id, run: 0 });
        made::node(id, self.machines.len(), role, now)
    }

    /// A new machine joins.
    pub(super) fn one_more_machine(&mut self, role: Role) {
        let node = self.add_machine(role);
        self.agenda.after(ms(100), Happening::Join(Box::new(node)));
    }

    /// Tries until it is a member.
    pub(super) fn join(&mut self, node: Node) -> Checked {
        let Some(leader) = self.leader() else {
            self.agenda.after(ms(500), Happening::Join(Box::new(node)));
            return Ok(());
        };
        // It may have been a member meanwhile, and have been removed: nobody joins twice under one id.
        let request = model::RequestId::from_bits(node.id.bits());
        if self.managers[leader].view().outcome(request).is_some() {
            return Ok(());
        }
        let command = Command::UpsertNode(Box::new(node.clone()));
        self.agenda.after(ms(500), Happening::Join(Box::new(node)));
        self.propose(leader, &Entry { request, command })
    }

    /// From a manager's process to a node's agent.
    pub(super) fn tell(&mut self, m: usize, node: NodeId, message: Happening) {
        self.carry(End::Manager(m), End::Node(node), message);
    }

    /// Carries a message: in time, late, twice, or never.
    fn carry(&mut self, from: End, to: End, message: Happening) {
        for delay in self.net.copies(from, to, self.agenda.now, &mut self.dice) {
            self.agenda.after(delay, message.clone());
        }
    }

    pub(super) fn machine(&mut self, id: NodeId) -> Option<&mut Machine> {
        self.machines.iter_mut().find(|machine| machine.id == id)
    }

    fn running(&mut self, id: NodeId) -> Option<&mut Machine> {
        self.machine(id).filter(|machine| machine.up)
    }

    /// Heartbeats go to the manager that the agent takes for the leader; one that did not answer is left for another.
    pub(super) fn beat(&mut self, id: NodeId, run: u32) {
        let other = self.dice.pick(&self.seats());
        let Some(machine) = self.running(id).filter(|machine| machine.run == run) else {
            return;
        };
        if !std::mem::take(&mut machine.answered) {
            machine.cut_off();
            machine.home = other.unwrap_or(machine.home);
        }
        self.agenda.after(HEARTBEAT, Happening::Beat { node: id, run });
        self.report(id);
        self.work(id);
    }

    fn report(&mut self, id: NodeId) {
        let Some(machine) = self.running(id) else { return };
        let (manager, said) = (machine.home, machine.says());
        let heard = Happening::Heard {
            manager,
            node: id,
            said,
        };
        self.carry(End::Node(id), End::Manager(manager), heard);
    }

    pub(super) fn answered(
        &mut self,
        id: NodeId,
        leader: Option<usize>,
        calling: Option<Calling>,
        (forgotten, released): (&[TaskId], &[TaskId]),
    ) -> Checked {
        let now = self.agenda.now;
        let Some(machine) = self.running(id) else { return Ok(()) };
        if let Some(leader) = leader {
            machine.answered = true;
            machine.home = leader;
            machine.reached(forgotten, released, now);
        }
        calling.map_or(Ok(()), |calling| self.follow(id, calling))
    }

    /// A node takes in what it is told. A change that does not fit asks for what is missing; what comes out must be
    /// what the managers' state of that index says.
    pub(super) fn told(&mut self, id: NodeId, update: Update) -> Checked {
        let (now, kernels) = (self.agenda.now, self.kernels);
        let Some(machine) = self.running(id) else { return Ok(()) };
        match machine.take(update, now) {
            Taken::Old => return Ok(()),
            Taken::Missing => {
                self.report(id);
                return Ok(());
            }
            Taken::Drifted => return Err(format!("changes make a wrong view on node {id}")),
            Taken::New if kernels => {}
            Taken::New => machine.shows_all(),
        }
        let view = machine.view.clone();
        let state = view.as_ref().and_then(|view| self.record.state_at(view.seq));
        if let (Some(view), Some(state)) = (view, state) {
            check::view(state, id, &view)?;
        }
        self.work(id);
        self.program_soon(id);
        Ok(())
    }

    /// The agent takes the steps that it can take, and reports.
    pub(super) fn work(&mut self, id: NodeId) {
        let now = self.agenda.now;
        let Some(machine) = self.running(id) else { return };
        let before = machine.reports();
        let (begun, run) = (machine.steps(now), machine.run);
        let news = machine.reports() != before;
        for (task, operation) in begun {
            let delay = match operation {
                Operation::Stop => self.dice.between(1, 3000),
                Operation::Prepare | Operation::Start | Operation::Remove => self.dice.between(1, 400),
            };
            self.agenda.after(
                ms(delay),
                Happening::Done {
                    node: id,
                    run,
                    task,
                    operation,
                },
            );
        }
        if news {
            self.report(id);
        }
    }

    pub(super) fn program_soon(&mut self, id: NodeId) {
        let (kernels, delay) = (self.kernels, self.dice.between(200, 2000));
        if let Some(machine) = self.running(id).filter(|machine| kernels && !machine.programming) {
            machine.programming = true;
            self.agenda.after(ms(delay), Happening::Program(id));
        }
    }

    /// Now and then the agent dies in the middle of it.
    pub(super) fn program(&mut self, id: NodeId) -> Checked {
        let dies = !self.calm && self.dice.chance(100);
        let survives = if dies {
            self.dice.between(0, 30) as usize
        } else {
            usize::MAX
        };
        let now = self.agenda.now;
        let Some(machine) = self.machine(id) else { return Ok(()) };
        machine.programming = false;
        if !machine.up {
            return Ok(());
        }
        machine.program(survives, now)?;
        if dies {
            self.restart_agent(id);
        }
        Ok(())
    }

    pub(super) fn done(&mut self, id: NodeId, run: u32, task: TaskId, operation: Operation) -> Checked {
        let (now, well) = (self.agenda.now, self.calm || !self.dice.chance(20));
        let Some(machine) = self.running(id).filter(|machine| machine.run == run) else {
            return Ok(());
        };
        machine.done(task, operation, well, now);
        self.work(id);
        self.program_soon(id);
        match operation {
            Operation::Start => self.slots.check(&self.machines),
            Operation::Prepare | Operation::Stop | Operation::Remove => Ok(()),
        }
    }

    pub(super) fn booted(&mut self, id: NodeId) {
        let now = self.agenda.now;
        if let Some(machine) = self.machine(id).filter(|machine| !machine.up && !machine.left) {
            machine.restart_agent(true, now);
            let run = machine.run;
            self.agenda.after(ms(10), Happening::Beat { node: id, run });
            self.program_soon(id);
        }
    }
}
