//! One run: managers, machines, a user, clients and faults, moved on by one agenda. After a while wishes and faults end;
//! the cluster has to come to rest as it is wanted.

mod faults;
mod fleet;
mod happening;
mod made;
mod quorum;
mod seats;
mod transport;
mod user;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use model::{NetworkId, Node, Role, Timestamp};
use store::Entry;

use self::transport::Transfers;
use crate::{
    agenda::Agenda,
    check::{self, Checked, Membership, Quarantine, Slots},
    clients::Clients,
    dice::Dice,
    disk::LogDisk,
    follower::Follower,
    manager::Manager,
    net::Net,
    node::Machine,
    record::Record,
    schedule::{CHAOS, Step, What},
};

pub use happening::Happening;
pub use made::{cluster, member_of_three, node};

/// How long the cluster may take when all is well again; a predecessor that does not stop is waited for a minute.
const CALM: Duration = Duration::from_secs(150);
/// When a run begins.
const BEGIN: Timestamp = Timestamp(1_000_000_000_000);

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn shifted(at: Timestamp, nanos: i64) -> Timestamp {
    Timestamp(at.0 + nanos)
}

/// How a run went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Entries applied.
    pub entries: u64,
    /// Things that happened, each followed by the checks.
    pub events: u64,
    /// Time that passed in it.
    pub span: Duration,
    /// Reads and writes of clients that were answered.
    pub answered: u64,
    /// Steps of the schedule by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Digest of all that happened, when and to whom.
    pub trace: u64,
}

/// See the module.
pub struct World {
    seed: u64,
    schedule: Vec<Step>,
    agenda: Agenda<Happening>,
    dice: Dice,
    net: Net,
    managers: Vec<Manager>,
    transfers: Transfers,
    machines: Vec<Machine>,
    /// What the user will ask for.
    wishes: VecDeque<What>,
    /// What the user has asked for and does not know the outcome of.
    pending: Option<Entry>,
    clients: Clients,
    follower: Follower,
    calm: bool,
    /// Kernels are programmed too; rings take time, so only some seeds do.
    kernels: bool,
    /// Logs are on real files, which lose what was not synced; they take time too.
    files: bool,
    /// How far time has leapt.
    leapt: Duration,
    record: Record,
    membership: Membership,
    quarantine: Quarantine,
    slots: Slots,
    events: u64,
    faults: BTreeMap<&'static str, u64>,
}

/// Runs a schedule with the dice of a seed.
pub fn play(seed: u64, managers: u64, schedule: &[Step]) -> Result<Report, String> {
    let mut world = World::new(seed, managers, schedule)?;
    world.until(BEGIN + CHAOS)?;
    world.until(BEGIN + CHAOS + world.leapt)?;
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
    Ok(Report {
        entries: world.record.entries(),
        events: world.events,
        span: world.agenda.now.since(BEGIN + world.leapt),
        answered: world.clients.answered(),
        faults: world.faults,
        trace: world.record.trace(),
    })
}

impl World {
    fn new(seed: u64, managers: u64, schedule: &[Step]) -> Result<Self, String> {
        let mut world = Self {
            seed,
            schedule: schedule.to_vec(),
            agenda: Agenda::starting(BEGIN),
            dice: Dice::of(seed),
            net: Net::default(),
            managers: Vec::new(),
            transfers: Transfers::default(),
            machines: Vec::new(),
            wishes: VecDeque::new(),
            pending: None,
            clients: Clients::starting(0),
            follower: Follower::default(),
            calm: false,
            kernels: seed.is_multiple_of(25),
            files: seed % 37 == 7,
            leapt: Duration::ZERO,
            record: Record::default(),
            membership: Membership::of(1..=managers),
            quarantine: Quarantine::default(),
            slots: Slots::default(),
            events: 0,
            faults: BTreeMap::new(),
        };
        world.found(managers)?;
        world.begin();
        for (number, step) in schedule.iter().enumerate() {
            world.agenda.after(step.at, Happening::Step(number));
        }
        Ok(world)
    }

    /// The first managers, which have a cluster.
    fn found(&mut self, managers: u64) -> Checked {
        let nodes: Vec<Node> = (0..managers).map(|_| self.add_machine(Role::Manager)).collect();
        let ids: Vec<_> = nodes.iter().map(|node| node.id).collect();
        let (cluster, ingress) = (self.dice.id(), NetworkId::from_bits(self.dice.id()));
        let state = made::founding(made::cluster(cluster, self.agenda.now), ingress, nodes)?;
        self.clients = Clients::starting(state.cluster().map_or(0, |cluster| cluster.version));
        self.record.reached(&state, None)?;
        for (m, (disk, node)) in made::disks(&state)
            .map_err(|e| e.to_string())?
            .into_iter()
            .zip(ids)
            .enumerate()
        {
            let disk = LogDisk::of(disk, self.files).map_err(|e| e.to_string())?;
            let manager = Manager::new(node, m as u64 + 1, disk).map_err(|e| e.to_string())?;
            self.managers.push(manager);
            let tick = Happening::Tick { manager: m, run: 1 };
            self.agenda.after(ms(10 * m as u64), tick);
        }
        Ok(())
    }

    fn until(&mut self, end: Timestamp) -> Checked {
        while let Some(happening) = self.agenda.next(end) {
            let (what, whom) = happening.label();
            self.events += 1;
            self.record.note(&[self.agenda.now.0 as u64, whom]);
            self.record.note_bytes(what.as_bytes());
            self.record.note_bytes(happening.message());
            self.happen(happening).map_err(|why| {
                format!(
                    "at {} after {what} ({whom:x}): {why}\n{}",
                    self.agenda.now,
                    self.picture()
                )
            })?;
        }
        self.agenda.now = self.agenda.now.max(end);
        Ok(())
    }

    fn happen(&mut self, happening: Happening) -> Checked {
        let process = happening.process();
        if let Some(backlog) = process.and_then(|m| self.managers[m].paused.as_mut()) {
            backlog.push(happening);
            return Ok(());
        }
        match happening {
            Happening::Tick { manager, run } => return self.tick(manager, run),
            Happening::Raft { manager, call } => return self.deliver(manager, call),
            Happening::SnapshotEnded {
                manager,
                transfer,
                arrived,
            } => return self.snapshot_ended(manager, transfer, arrived),
            Happening::Unreachable { manager, member } => return self.unreachable(manager, member),
            Happening::Loop(manager) => return self.lead(manager),
            Happening::Heard { manager, node, said } => return self.heard(manager, node, said),
            Happening::Program(node) => return self.program(node),
            Happening::Join(node) => return self.join(*node),
            Happening::User => return self.user(),
            Happening::Client(client) => return self.client(client),
            Happening::Recovered(manager) => return self.recover(manager),
            Happening::Released(manager) => return self.release(manager),
            Happening::Departure(node) => return self.depart(node),
            Happening::Answered {
                node,
                leader,
                calling,
                forgotten,
                released,
            } => return self.answered(node, leader, calling, (&forgotten, &released)),
            Happening::Step(number) => self.step(number),
            Happening::Beat { node, run } => self.beat(node, run),
            Happening::Told { node, update } => return self.told(node, *update),
            Happening::Done {
                node,
                run,
                task,
                operation,
            } => return self.done(node, run, task, operation),
            Happening::Booted(node) => self.booted(node),
            Happening::Resumed(manager) => self.resume(manager),
            Happening::ManagerClock(manager) => self.managers[manager].skew = 0,
            Happening::NodeClock(node) => self.set_node_clock(node, 0),
            Happening::DiskSpace(manager) => self.managers[manager].disk.set_fault(None, 0),
        }
        Ok(())
    }

    fn converged(&self) -> Checked {
        let leader = self.leader().ok_or("nobody leads")?;
        let state = self.managers[leader].view();
        self.members_settled(&state)?;
        for manager in self.managers_in_reach(&state) {
            if manager.view() != state {
                return Err(format!("manager {} has another state than the leader", manager.member));
            }
        }
        self.clients.all_survive(&state)?;
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
        for manager in self.managers.iter().filter(|manager| !manager.gone) {
            let standing = manager.replica.as_ref().map(|replica| replica.standing());
            let (applied, leads) = (manager.view().applied(), manager.leading.is_some());
            let members = manager.members(self.agenda.now);
            lines.push(format!(
                "  manager {} at {applied}, leads: {leads}, {standing:?}, voters {:?}, learners {:?}, hears {:?}",
                manager.member, members.voters, members.learners, members.reachable
            ));
        }
        let state = self
            .leader()
            .map(|leader| self.managers[leader].view())
            .unwrap_or_default();
        for node in state.nodes() {
            let (name, status, spec) = (node.hostname(), node.status.state, node.spec.availability);
            let (role, member) = (node.spec.role.word(), node.raft_id);
            lines.push(format!(
                "  node {name} {} {} {role} {member:?}",
                status.word(),
                spec.word()
            ));
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
