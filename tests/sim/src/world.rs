//! One run: managers, machines, a user and bad luck, moved on by one agenda. After a while the user and the bad luck
//! stop; the cluster has to come to rest as it is wanted.

mod fate;
mod fleet;
mod made;
mod quorum;

use std::{collections::BTreeMap, time::Duration};

use model::{Node, NodeId, NodeView, RequestId, TaskId, Timestamp};
use store::{Entry, State, StatusReport};

use crate::{
    agenda::Agenda,
    check,
    dice::Dice,
    manager::Manager,
    node::{Machine, Operation},
};

/// How long user and bad luck go on.
const CHAOS: Duration = Duration::from_secs(40);
/// How long the cluster may then take; a predecessor that does not stop is waited for a minute.
const CALM: Duration = Duration::from_secs(150);

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// What happens.
#[derive(Debug)]
enum Happening {
    /// A unit of raft's time passes at a manager.
    Tick { manager: usize, run: u32 },
    /// A raft message arrives.
    Raft { manager: usize, message: Vec<u8> },
    /// A manager learns that a message to another member (raft id) was lost.
    Unreachable { manager: usize, member: u64 },
    /// The leader's loop looks.
    Loop(usize),
    /// An agent's heartbeat is due.
    Beat { node: NodeId, run: u32 },
    /// A heartbeat or a report arrives at a manager.
    Heard {
        manager: usize,
        node: NodeId,
        seq: Option<u64>,
        reports: Vec<StatusReport>,
    },
    /// A manager's answer to it: who leads.
    Answered { node: NodeId, leader: Option<usize> },
    /// A view arrives at a node.
    Told(Box<NodeView>),
    /// An operation of an engine ends.
    Done {
        node: NodeId,
        run: u32,
        task: TaskId,
        operation: Operation,
    },
    /// An agent brings its kernel in line.
    Program(NodeId),
    /// A new machine tries to join.
    Join(Box<Node>),
    /// The user does something, or looks what came of it.
    User,
    /// Something breaks.
    Misfortune,
    /// A machine has its network back.
    Reached(NodeId),
    /// A machine has booted.
    Booted(NodeId),
    /// A manager has its network back.
    ManagerReached(usize),
    /// A manager's process starts again.
    Recovered(usize),
}

/// How a run went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Entries applied.
    pub entries: u64,
    /// Digest of all that was applied, by whom and when.
    pub trace: u64,
}

/// See the module.
pub struct World {
    seed: u64,
    agenda: Agenda<Happening>,
    dice: Dice,
    managers: Vec<Manager>,
    machines: Vec<Machine>,
    /// What the user has asked for and does not know the outcome of.
    pending: Option<Entry>,
    calm: bool,
    /// Kernels are programmed too; rings take time, so only some seeds do.
    kernels: bool,
    /// The states that some manager had, by index; all must have the same.
    history: BTreeMap<u64, State>,
    /// How each request ended when it was first applied: so it ends whenever it is applied again.
    outcomes: BTreeMap<RequestId, bool>,
    trace: u64,
}

/// Runs a seed with so many managers.
pub fn run(seed: u64, managers: u64) -> Result<Report, String> {
    let mut world = World::new(seed, managers)?;
    world.until(world.agenda.now + CHAOS)?;
    world.calm_down();
    let deadline = world.agenda.now + CALM;
    loop {
        world.until(world.agenda.now + Duration::from_secs(5))?;
        match world.converged() {
            Ok(()) => break,
            Err(why) if world.agenda.now > deadline => {
                return Err(format!("does not converge: {why}\n{}", world.picture()));
            }
            Err(_) => {}
        }
    }
    let entries = world.managers.iter().map(|manager| manager.view().applied()).max();
    Ok(Report {
        entries: entries.unwrap_or(0),
        trace: world.trace,
    })
}

impl World {
    fn new(seed: u64, managers: u64) -> Result<Self, String> {
        let mut world = Self {
            seed,
            agenda: Agenda::starting(Timestamp(1_000_000_000_000)),
            dice: Dice::of(seed),
            managers: Vec::new(),
            machines: Vec::new(),
            pending: None,
            calm: false,
            kernels: seed.is_multiple_of(25),
            history: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            trace: 0xcbf2_9ce4_8422_2325,
        };
        for (m, disk) in made::disks(managers)
            .map_err(|e| e.to_string())?
            .into_iter()
            .enumerate()
        {
            world
                .managers
                .push(Manager::new(m as u64 + 1, disk).map_err(|e| e.to_string())?);
            world
                .agenda
                .after(ms(10 * m as u64), Happening::Tick { manager: m, run: 1 });
        }
        world.begin()?;
        world.agenda.after(ms(500), Happening::User);
        world.agenda.after(ms(5000), Happening::Misfortune);
        Ok(world)
    }

    fn until(&mut self, end: Timestamp) -> Result<(), String> {
        while let Some(happening) = self.agenda.next(end) {
            let what = format!("{happening:?}");
            self.happen(happening).map_err(|why| {
                let what: String = what.chars().take(300).collect();
                format!("at {} after {what}: {why}\n{}", self.agenda.now, self.picture())
            })?;
        }
        self.agenda.now = end;
        Ok(())
    }

    fn happen(&mut self, happening: Happening) -> check::Checked {
        match happening {
            Happening::Tick { manager, run } => return self.tick(manager, run),
            Happening::Raft { manager, message } => return self.deliver(manager, &message),
            Happening::Unreachable { manager, member } => return self.unreachable(manager, member),
            Happening::Loop(manager) => return self.lead(manager),
            Happening::Heard {
                manager,
                node,
                seq,
                reports,
            } => return self.heard(manager, node, seq, reports),
            Happening::Program(node) => return self.program(node),
            Happening::Join(node) => return self.join(*node),
            Happening::User => return self.user(),
            Happening::Recovered(manager) => return self.recover(manager),
            Happening::Beat { node, run } => self.beat(node, run),
            Happening::Answered { node, leader } => self.answered(node, leader),
            Happening::Told(view) => self.told(*view),
            Happening::Done {
                node,
                run,
                task,
                operation,
            } => self.done(node, run, task, operation),
            Happening::Misfortune => self.misfortune(),
            Happening::Reached(node) => self.reached(node),
            Happening::Booted(node) => self.booted(node),
            Happening::ManagerReached(manager) => self.managers[manager].linked = true,
        }
        Ok(())
    }

    fn converged(&self) -> check::Checked {
        let leader = self.leader().ok_or("nobody leads")?;
        let state = self.managers[leader].view();
        for manager in &self.managers {
            if manager.view() != state {
                return Err(format!("manager {} has another state than the leader", manager.member));
            }
        }
        check::converged(&state, &self.machines, self.agenda.now)?;
        if self.kernels {
            check::kernels(&state, &self.machines)
        } else {
            Ok(())
        }
    }

    /// For whoever reads of a failure.
    fn picture(&self) -> String {
        let mut lines = Vec::new();
        for manager in &self.managers {
            let standing = manager.replica.as_ref().map(|replica| replica.standing());
            let (applied, leads) = (manager.view().applied(), manager.leading.is_some());
            lines.push(format!(
                "  manager {} at {applied}, leads: {leads}, {standing:?}",
                manager.member
            ));
        }
        let state = self
            .leader()
            .map(|leader| self.managers[leader].view())
            .unwrap_or_default();
        for node in state.nodes() {
            let (name, status, spec) = (node.hostname(), node.status.state, node.spec.availability);
            lines.push(format!("  node {name} {} {}", status.word(), spec.word()));
        }
        for task in state.tasks().filter(|task| !task.status.state.is_terminal()) {
            let node = task.node.and_then(|id| state.node(id)).map(Node::hostname);
            let machine = self.machines.iter().find(|machine| Some(machine.id) == task.node);
            let local = machine.map(|machine| machine.describe(task.id)).unwrap_or_default();
            let (word, desired, err) = (task.status.state, task.desired, &task.status.err);
            lines.push(format!(
                "  {} {word} wanted {desired:?} on {node:?} {err} {local}",
                task.name()
            ));
        }
        lines.join("\n")
    }
}
