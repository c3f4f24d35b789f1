//! One run: a cluster, its machines, a user and bad luck, moved on by one agenda. After a while the user and the bad
//! luck stop; the cluster has to come to rest as it is wanted.

use std::time::Duration;

use control::plan_init;
use model::{
    Availability, Cluster, ClusterId, ClusterSecrets, ClusterSettings, NetworkId, Node, NodeDescription, NodeId,
    NodeSpec, NodeState, NodeStatus, NodeView, RequestId, Role, TaskId, Timestamp,
};
use store::{Command, Entry, StatusReport};

use crate::{
    agenda::Agenda,
    check,
    dice::Dice,
    journal::Journal,
    manager::Manager,
    node::{Machine, Operation},
    user,
};

/// How long user and bad luck go on.
const CHAOS: Duration = Duration::from_secs(40);
/// How long the cluster may then take; a predecessor that does not stop is waited for a minute.
const CALM: Duration = Duration::from_secs(150);
const HEARTBEAT: Duration = Duration::from_millis(800);

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// What happens.
#[derive(Debug)]
enum Happening {
    /// An entry is durable.
    Committed { bytes: Vec<u8>, run: u32 },
    /// The leader's loop looks.
    Loop,
    /// An agent's heartbeat is due.
    Beat(NodeId, u32),
    /// Something arrives at the leader.
    Heard {
        node: NodeId,
        seq: Option<u64>,
        reports: Vec<StatusReport>,
    },
    /// A view arrives at a node.
    Told(NodeId, Box<NodeView>),
    /// An operation of an engine ends.
    Done {
        node: NodeId,
        run: u32,
        task: TaskId,
        operation: Operation,
    },
    /// The user does something, or looks what came of it.
    User,
    /// Something breaks.
    Misfortune,
    /// A machine is back: `true` with its network, `false` from a reboot.
    Back(NodeId, bool),
    /// The manager is back.
    Recovered,
}

/// How a run went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Entries applied.
    pub entries: u64,
    /// Digest of all that was applied and when.
    pub trace: u64,
}

/// See the module.
pub struct World {
    agenda: Agenda<Happening>,
    dice: Dice,
    manager: Manager,
    journal: Journal,
    /// Grows when the manager starts anew; what it had not made durable is lost.
    run: u32,
    down: bool,
    machines: Vec<Machine>,
    pending: Option<Entry>,
    calm: bool,
    looking: bool,
    trace: u64,
}

/// Runs a seed.
pub fn run(seed: u64) -> Result<Report, String> {
    let mut world = World::new(seed)?;
    world.until(world.agenda.now + CHAOS)?;
    world.calm_down();
    let deadline = world.agenda.now + CALM;
    loop {
        world.until(world.agenda.now + Duration::from_secs(5))?;
        match check::converged(&world.manager.state, &world.machines, world.agenda.now) {
            Ok(()) => break,
            Err(why) if world.agenda.now > deadline => {
                return Err(format!("does not converge: {why}\n{}", world.picture()));
            }
            Err(_) => {}
        }
    }
    if world.journal.replay()? != world.manager.state {
        return Err("the log gives another state than the one in memory".to_owned());
    }
    Ok(Report {
        entries: world.manager.state.applied(),
        trace: world.trace,
    })
}

impl World {
    fn new(seed: u64) -> Result<Self, String> {
        let mut world = Self {
            agenda: Agenda::starting(Timestamp(1_000_000_000_000)),
            dice: Dice::of(seed),
            manager: Manager::default(),
            journal: Journal::default(),
            run: 0,
            down: false,
            machines: Vec::new(),
            pending: None,
            calm: false,
            looking: false,
            trace: 0xcbf2_9ce4_8422_2325,
        };
        let count = world.dice.between(1, 5);
        let first = world.node();
        let ingress = NetworkId::from_bits(world.dice.id());
        let cluster = cluster(world.dice.id(), world.agenda.now);
        world.start(first.id);
        let init = plan_init(&world.manager.state, cluster, first, ingress).map_err(|e| e.to_string())?;
        world.propose(init);
        for _ in 1..count {
            world.join();
        }
        world.manager.lead(world.agenda.now);
        world.agenda.after(ms(500), Happening::User);
        world.agenda.after(ms(3000), Happening::Misfortune);
        world.look();
        Ok(world)
    }

    /// A machine joins the cluster.
    fn join(&mut self) {
        let node = self.node();
        self.start(node.id);
        self.propose(Command::UpsertNode(Box::new(node)));
    }

    fn start(&mut self, id: NodeId) {
        self.machines.push(Machine::new(id));
        self.agenda.after(ms(10), Happening::Beat(id, 0));
    }

    fn node(&mut self) -> Node {
        let (id, at, number) = (
            NodeId::from_bits(self.dice.id()),
            self.agenda.now,
            self.machines.len() + 1,
        );
        let addr = std::net::IpAddr::from([192, 168, 0, number as u8]);
        Node {
            id,
            version: 0,
            created_at: at,
            updated_at: at,
            spec: NodeSpec {
                role: Role::Worker,
                availability: Availability::Active,
                labels: Default::default(),
            },
            description: Some(NodeDescription {
                hostname: format!("n{number}"),
                os: "linux".to_owned(),
                arch: "x86_64".to_owned(),
                engine_version: "1".to_owned(),
                engine_labels: Default::default(),
                nano_cpus: 1,
                memory_bytes: 1,
                vtep: addr,
                underlay_mtu: 1500,
                taken_prefixes: Vec::new(),
                held_ports: Vec::new(),
            }),
            status: NodeStatus {
                state: NodeState::Unknown,
                message: String::new(),
                addr,
            },
            manager_addr: None,
            raft_id: None,
        }
    }

    fn until(&mut self, end: Timestamp) -> Result<(), String> {
        while let Some(happening) = self.agenda.next(end) {
            let what = format!("{happening:?}");
            self.happen(happening).map_err(|why| {
                let what = what.chars().take(300).collect::<String>();
                format!("at {} after {what}: {why}", self.agenda.now)
            })?;
        }
        self.agenda.now = end;
        Ok(())
    }

    fn happen(&mut self, happening: Happening) -> check::Checked {
        match happening {
            Happening::Committed { bytes, run } if run == self.run && !self.down => return self.committed(bytes),
            Happening::Committed { .. } => {}
            Happening::Loop => return self.lead(),
            Happening::Beat(node, run) => self.beat(node, run),
            Happening::Heard { node, seq, reports } => self.heard(node, seq, reports),
            Happening::Told(node, view) => self.told(node, *view),
            Happening::Done {
                node,
                run,
                task,
                operation,
            } => self.done(node, run, task, operation),
            Happening::User => self.user(),
            Happening::Misfortune => self.misfortune(),
            Happening::Back(node, link) => self.back(node, link),
            Happening::Recovered => return self.recovered(),
        }
        Ok(())
    }
}

/// The manager.
impl World {
    fn propose(&mut self, command: Command) -> RequestId {
        let request = RequestId::from_bits(self.dice.id());
        self.propose_entry(&Entry { request, command });
        request
    }

    fn propose_entry(&mut self, entry: &Entry) {
        if let Ok(bytes) = entry.encode() {
            // Some time for the disk; entries of one moment keep their order.
            let run = self.run;
            self.agenda.after(ms(3), Happening::Committed { bytes, run });
        }
    }

    fn committed(&mut self, bytes: Vec<u8>) -> check::Checked {
        let entry = Entry::decode(&bytes).map_err(|e| e.to_string())?;
        self.trace_in(&bytes);
        let index = self.journal.append(bytes);
        let before = self.manager.state.clone();
        let events = self.manager.apply(index, entry).unwrap_or_default();
        check::after(&before, &self.manager.state, &events)?;
        check::machines(&self.manager.state, &self.machines)?;
        self.journal.compact(&self.manager.state)?;
        let gone = before
            .nodes()
            .filter(|node| self.manager.state.node(node.id).is_none())
            .count();
        for _ in 0..gone {
            self.join();
        }
        self.look();
        Ok(())
    }

    /// FNV-1a over what is applied and when.
    fn trace_in(&mut self, bytes: &[u8]) {
        let now = self.agenda.now.0.to_be_bytes();
        for byte in now.iter().chain(bytes) {
            self.trace = (self.trace ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The leader's loop runs soon; what happens until then is looked at together.
    fn look(&mut self) {
        if !self.looking {
            self.looking = true;
            self.agenda.after(ms(5), Happening::Loop);
        }
    }

    fn lead(&mut self) -> check::Checked {
        self.looking = false;
        if self.down {
            return Ok(());
        }
        let now = self.agenda.now;
        let commands = self.manager.decide(now, &mut self.dice);
        for command in commands {
            let request = self.propose(command);
            if let Some(leading) = &mut self.manager.leading {
                leading.in_flight.insert(request);
            }
        }
        for (node, view) in self.manager.views() {
            check::view(&self.manager.state, &view)?;
            self.send(node, Happening::Told(node, Box::new(view)));
        }
        let busy = self
            .manager
            .leading
            .as_ref()
            .is_some_and(|leading| !leading.in_flight.is_empty());
        if let (false, Some(deadline)) = (busy || self.looking, self.manager.deadline(now)) {
            self.looking = true;
            self.agenda.at(deadline.max(now + ms(5)), Happening::Loop);
        }
        Ok(())
    }

    fn heard(&mut self, node: NodeId, seq: Option<u64>, reports: Vec<StatusReport>) {
        if self.down || self.manager.state.node(node).is_none() {
            return;
        }
        let now = self.agenda.now;
        let Some(leading) = &mut self.manager.leading else {
            return;
        };
        // A view that has not arrived by the next heartbeat is sent again.
        if leading.sent.get(&node).map(|view| view.seq) != seq {
            leading.sent.remove(&node);
        }
        if let Some(ready) = leading.beats.heard(&self.manager.state, node, now) {
            self.propose(ready);
        }
        if !reports.is_empty() {
            let ops = reports
                .into_iter()
                .map(|report| store::TaskOp::Report(Box::new(report)));
            self.propose(Command::Tasks(ops.collect()));
        }
        self.look();
    }

    fn recovered(&mut self) -> check::Checked {
        self.down = false;
        self.manager = Manager {
            state: self.journal.replay()?,
            leading: None,
        };
        self.manager.lead(self.agenda.now);
        self.look();
        Ok(())
    }
}

/// The machines and the network between.
impl World {
    /// Sends something to or from a node: late, twice, or never.
    fn send(&mut self, node: NodeId, message: Happening) {
        let linked = self.machine(node).is_some_and(|machine| machine.linked && machine.up);
        let lost = !self.calm && self.dice.chance(50);
        if linked && !lost {
            let slow = !self.calm && self.dice.chance(30);
            let delay = if slow {
                self.dice.between(100, 1500)
            } else {
                self.dice.between(1, 5)
            };
            self.agenda.after(ms(delay), message);
        }
    }

    fn machine(&mut self, id: NodeId) -> Option<&mut Machine> {
        self.machines.iter_mut().find(|machine| machine.id == id)
    }

    fn beat(&mut self, id: NodeId, run: u32) {
        let Some(machine) = self.machine(id).filter(|machine| machine.run == run && machine.up) else {
            return;
        };
        let reports = machine.reports();
        let seq = machine.view.as_ref().map(|view| view.seq);
        self.send(id, Happening::Heard { node: id, seq, reports });
        self.agenda.after(HEARTBEAT, Happening::Beat(id, run));
        self.work(id);
    }

    fn told(&mut self, id: NodeId, view: NodeView) {
        if let Some(machine) = self.machine(id).filter(|machine| machine.up) {
            machine.take_view(view);
            self.work(id);
        }
    }

    /// The agent takes the steps that it can take, and reports.
    fn work(&mut self, id: NodeId) {
        let now = self.agenda.now;
        let Some(machine) = self.machine(id).filter(|machine| machine.up) else {
            return;
        };
        let before = machine.reports();
        let (begun, run) = (machine.steps(now), machine.run);
        let reports = machine.reports();
        let seq = machine.view.as_ref().map(|view| view.seq);
        for (task, operation) in begun {
            let delay = match operation {
                Operation::Stop => self.dice.between(1, 3000),
                _ => self.dice.between(1, 400),
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
        if reports != before {
            self.send(id, Happening::Heard { node: id, seq, reports });
        }
    }

    fn done(&mut self, id: NodeId, run: u32, task: TaskId, operation: Operation) {
        let (now, well) = (self.agenda.now, self.calm || !self.dice.chance(20));
        if let Some(machine) = self.machine(id).filter(|machine| machine.up && machine.run == run) {
            machine.done(task, operation, well, now);
            self.work(id);
        }
    }

    fn back(&mut self, id: NodeId, link: bool) {
        let Some(machine) = self.machine(id) else { return };
        if link {
            machine.linked = true;
        } else if !machine.up {
            machine.restart_agent(true);
            let run = machine.run;
            self.agenda.after(ms(10), Happening::Beat(id, run));
        }
    }
}

/// User and bad luck.
impl World {
    fn user(&mut self) {
        let pause = self.dice.between(200, 2500);
        self.agenda.after(ms(pause), Happening::User);
        if let Some(entry) = self.pending.take() {
            if self.manager.state.outcome(entry.request).is_none() {
                self.propose_entry(&entry);
                self.pending = Some(entry);
            } else if self.dice.chance(100) {
                // The answer was lost: the same request once more changes nothing.
                self.propose_entry(&entry);
            }
        } else if self.calm {
            for entry in user::undo_drains(&self.manager.state, self.agenda.now, &mut self.dice) {
                self.propose_entry(&entry);
            }
        } else if !self.down {
            self.pending = user::request(&self.manager.state, self.agenda.now, &mut self.dice);
            if let Some(entry) = self.pending.clone() {
                self.propose_entry(&entry);
            }
        }
    }

    fn misfortune(&mut self) {
        if self.calm {
            return;
        }
        let pause = self.dice.between(300, 4000);
        self.agenda.after(ms(pause), Happening::Misfortune);
        let ids: Vec<NodeId> = self.machines.iter().map(|machine| machine.id).collect();
        let Some(id) = self.dice.pick(&ids) else { return };
        match self.dice.between(0, 9) {
            0..=4 => self.crash_container(id),
            5 | 6 => self.cut(id),
            7 => self.reboot(id),
            8 => self.restart_agent(id),
            _ => self.restart_manager(),
        }
    }

    fn crash_container(&mut self, id: NodeId) {
        let code = self.dice.between(0, 1) as i64;
        let mut dice = self.dice.clone();
        if let Some(machine) = self.machine(id) {
            let all: Vec<TaskId> = machine.engine.keys().copied().collect();
            if let Some(task) = dice.pick(&all) {
                machine.crash(task, code);
            }
        }
        self.dice = dice;
        self.work(id);
    }

    fn cut(&mut self, id: NodeId) {
        let span = self.dice.between(200, 9000);
        if let Some(machine) = self.machine(id) {
            machine.linked = false;
        }
        self.agenda.after(ms(span), Happening::Back(id, true));
    }

    fn reboot(&mut self, id: NodeId) {
        let span = self.dice.between(500, 12_000);
        if let Some(machine) = self.machine(id) {
            machine.power_off();
        }
        self.agenda.after(ms(span), Happening::Back(id, false));
    }

    /// SIGKILL of the agent alone: containers go on.
    fn restart_agent(&mut self, id: NodeId) {
        if let Some(machine) = self.machine(id).filter(|machine| machine.up) {
            machine.restart_agent(false);
            let run = machine.run;
            self.agenda.after(ms(10), Happening::Beat(id, run));
        }
    }

    fn restart_manager(&mut self) {
        self.down = true;
        self.run += 1;
        let span = self.dice.between(50, 4000);
        self.agenda.after(ms(span), Happening::Recovered);
    }

    /// No more faults, all machines come back, nothing is drained.
    fn calm_down(&mut self) {
        self.calm = true;
        let ids: Vec<NodeId> = self.machines.iter().map(|machine| machine.id).collect();
        for id in ids {
            self.agenda.after(ms(1), Happening::Back(id, true));
            self.agenda.after(ms(1), Happening::Back(id, false));
        }
    }
}

/// For whoever reads of a failure.
impl World {
    fn picture(&self) -> String {
        let mut lines = Vec::new();
        for node in self.manager.state.nodes() {
            lines.push(format!(
                "  node {} {:?} {:?}",
                node.hostname(),
                node.status.state,
                node.spec.availability
            ));
        }
        for task in self
            .manager
            .state
            .tasks()
            .filter(|task| !task.status.state.is_terminal())
        {
            let node = task.node.and_then(|id| self.manager.state.node(id)).map(Node::hostname);
            let machine = self.machines.iter().find(|machine| Some(machine.id) == task.node);
            let local = machine.map(|machine| machine.describe(task.id)).unwrap_or_default();
            let (state, desired, err) = (task.status.state, task.desired, &task.status.err);
            lines.push(format!(
                "  {} {state} wanted {desired:?} on {node:?} {err} {local}",
                task.name()
            ));
        }
        lines.join("\n")
    }
}

fn cluster(id: u128, at: Timestamp) -> Cluster {
    Cluster {
        id: ClusterId::from_bits(id),
        version: 0,
        created_at: at,
        settings: ClusterSettings::default(),
        root_ca: String::new(),
        secrets: ClusterSecrets {
            worker_token: String::new(),
            manager_token: String::new(),
            root_ca_key: String::new(),
        },
    }
}
