//! A large cluster: the real deciders and the real state, agents that only say that their tasks run. No raft, no network,
//! no faults: what is measured is what deciding and applying cost.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use control::{Dirty, Moment, pass, plan_create_network, plan_create_service, plan_init};
use model::{
    Mode, NetworkAttachment, NetworkId, NetworkSpec, Node, NodeId, NodeState, RequestId, Role, ServiceId, ServiceSpec,
    TaskId, TaskState, Timestamp,
};
use store::{Command, Entry, Event, Refused, State, StatusReport, TaskOp};

use crate::{
    dice::Dice,
    world::{cluster, node},
};

/// Tasks of one service, in a network of its own.
const PER_SERVICE: u32 = 10_000;
/// Reports per log entry, as the dispatcher batches them.
const PER_ENTRY: usize = 500;

/// What a large cluster cost.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Nodes.
    pub nodes: u32,
    /// Tasks that run in the end.
    pub tasks: u32,
    /// Until all of them ran.
    pub took: Duration,
    /// Log entries for it.
    pub entries: u64,
    /// Until the tasks of one node that was lost ran elsewhere.
    pub node_lost: Duration,
    /// Highest resident memory of this process so far, bytes.
    pub peak_memory: u64,
}

impl Figures {
    /// Tasks from wished to running per second.
    pub fn rate(&self) -> f64 {
        f64::from(self.tasks) / self.took.as_secs_f64()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "sim_scale_nodes {} nodes", self.nodes)?;
        writeln!(f, "sim_scale_tasks {} tasks", self.tasks)?;
        writeln!(f, "sim_scale_time {:.2} s", self.took.as_secs_f64())?;
        writeln!(f, "sim_scale_rate {:.0} tasks/s", self.rate())?;
        writeln!(f, "sim_scale_entries {} entries", self.entries)?;
        writeln!(f, "sim_scale_node_lost {:.1} ms", 1e3 * self.node_lost.as_secs_f64())?;
        write!(f, "sim_scale_memory {} MiB", self.peak_memory >> 20)
    }
}

struct Large {
    state: State,
    dirty: Dirty,
    now: Timestamp,
    dice: Dice,
    entries: u64,
}

/// Brings `tasks` tasks to running on `nodes` nodes, then loses a node.
///
/// # Errors
/// What the state refused, or a task that does not run.
pub fn scale(nodes: u32, tasks: u32) -> Result<Figures, String> {
    let mut large = Large {
        state: State::default(),
        dirty: Dirty::all(),
        now: Timestamp(1_000_000_000),
        dice: Dice::of(1),
        entries: 0,
    };
    let first = large.found(nodes)?;
    let began = Instant::now();
    let mut left = tasks;
    while left > 0 {
        let replicas = left.min(PER_SERVICE);
        large.deploy(left, replicas)?;
        left -= replicas;
    }
    let took = began.elapsed();
    large.all_run(tasks)?;
    let began = Instant::now();
    large.lose(first)?;
    let node_lost = began.elapsed();
    large.all_run(tasks)?;
    Ok(Figures {
        nodes,
        tasks,
        took,
        entries: large.entries,
        node_lost,
        peak_memory: peak_memory().unwrap_or(0),
    })
}

impl Large {
    fn apply(&mut self, command: Command) -> Result<Vec<Event>, String> {
        let request = RequestId::from_bits(self.dice.id());
        // Through bytes, as the log carries it.
        let bytes = Entry { request, command }.encode().map_err(|e| e.to_string())?;
        let entry = Entry::decode(&bytes).map_err(|e| e.to_string())?;
        self.entries += 1;
        let events = self.state.apply(self.entries, entry).map_err(|e| e.to_string())?;
        events.iter().for_each(|event| self.dirty.note(event));
        Ok(events)
    }

    fn planned(&mut self, command: Result<Command, Refused>) -> Result<(), String> {
        self.apply(command.map_err(|e| e.to_string())?).map(|_| ())
    }

    /// A cluster with so many ready nodes; the first of them.
    fn found(&mut self, nodes: u32) -> Result<NodeId, String> {
        let id = self.dice.id();
        let cluster = cluster(id, self.now);
        let mut all: Vec<Node> = (1..=nodes)
            .map(|number| {
                node(
                    NodeId::from_bits(self.dice.id()),
                    number as usize,
                    Role::Worker,
                    self.now,
                )
            })
            .collect();
        all.iter_mut().for_each(|node| node.status.state = NodeState::Ready);
        let (first, ingress) = (all.swap_remove(0), NetworkId::from_bits(self.dice.id()));
        let id = first.id;
        self.planned(plan_init(&self.state, cluster, first, ingress))?;
        for chunk in all.chunks(PER_ENTRY) {
            let joins = chunk.iter().map(|node| Command::UpsertNode(Box::new(node.clone())));
            self.apply(Command::Batch(joins.collect()))?;
        }
        Ok(id)
    }

    /// A service in a network of its own, until all its tasks run.
    fn deploy(&mut self, number: u32, replicas: u32) -> Result<(), String> {
        let (id, at) = (NetworkId::from_bits(self.dice.id()), self.now);
        let mut spec = NetworkSpec::named(format!("net{number}").parse().map_err(|e| format!("{e}"))?);
        spec.subnet = format!("10.{}.0.0/16", 1 + number / PER_SERVICE % 255).parse().ok();
        self.planned(plan_create_network(&self.state, id, at, spec))?;
        let name = format!("svc{number}").parse().map_err(|e| format!("{e}"))?;
        let mut spec = ServiceSpec::new(name, "image:1");
        spec.mode = Mode::Replicated { replicas };
        spec.networks = vec![NetworkAttachment {
            network: id,
            aliases: Vec::new(),
        }];
        let id = ServiceId::from_bits(self.dice.id());
        self.planned(plan_create_service(&self.state, id, at, spec))?;
        self.settle()
    }

    /// Passes and reports, until there is nothing left to do.
    fn settle(&mut self) -> Result<(), String> {
        loop {
            self.now = self.now + Duration::from_millis(20);
            let dirty = std::mem::take(&mut self.dirty);
            let commands = pass(&self.state, &dirty, Moment::settled(self.now), &mut || self.dice.id());
            if commands.is_empty() {
                return Ok(());
            }
            let mut assigned = BTreeMap::new();
            for command in commands {
                for event in self.apply(command)? {
                    if let Event::Task {
                        task, node: Some(node), ..
                    } = event
                    {
                        assigned.insert(task, node);
                    }
                }
            }
            self.report(assigned)?;
        }
    }

    /// Each agent says that its new tasks run, and that those which are not wanted any more have ended.
    fn report(&mut self, assigned: BTreeMap<TaskId, NodeId>) -> Result<(), String> {
        let mut reports = Vec::new();
        for (id, node) in assigned {
            let Some(task) = self.state.task(id) else { continue };
            let up = self
                .state
                .node(node)
                .is_some_and(|node| node.status.state == NodeState::Ready);
            if up && task.status.state < TaskState::Running {
                let mut status = task.status.clone();
                (status.state, status.at, status.message) = (TaskState::Running, self.now, "started".to_owned());
                let heard = Some(self.now);
                let report = StatusReport {
                    node,
                    task: id,
                    status,
                    heard,
                };
                reports.push(TaskOp::Report(Box::new(report)));
            }
        }
        for chunk in reports.chunks(PER_ENTRY) {
            self.apply(Command::Tasks(chunk.to_vec()))?;
        }
        Ok(())
    }

    /// A node is lost, its tasks are replaced.
    fn lose(&mut self, id: NodeId) -> Result<(), String> {
        self.apply(Command::NodeStatus {
            id,
            at: self.now,
            state: NodeState::Down,
            message: "heartbeat failure".to_owned(),
        })?;
        self.settle()?;
        // Replacements wait for tasks of which nobody says that they have stopped.
        self.now = self.now + Duration::from_secs(61);
        self.dirty = Dirty::all();
        self.settle()
    }

    fn all_run(&self, wanted: u32) -> Result<(), String> {
        let runs = |task: &&model::Task| {
            let node = task.node.and_then(|id| self.state.node(id));
            let up = node.is_some_and(|node| node.status.state == NodeState::Ready);
            up && task.is_live() && task.status.state == TaskState::Running
        };
        let running = self.state.tasks().filter(runs).count();
        if running == wanted as usize {
            Ok(())
        } else {
            Err(format!("{running} of {wanted} tasks run"))
        }
    }
}

/// From the kernel's account of this process.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_run_and_survive_the_loss_of_a_node() {
        let figures = scale(20, 400).unwrap();
        assert!(figures.entries > 4 && figures.rate() > 0.0, "{figures:?}");
    }
}
