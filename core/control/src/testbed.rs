//! A small cluster for the unit tests: a state, a clock and ids that count.

use std::{collections::BTreeMap, sync::Arc};

use model::{
    Availability, Cluster, ClusterId, ClusterSecrets, ClusterSettings, ContainerSpec, DesiredState, NetworkId,
    NetworkSpec, Node, NodeDescription, NodeId, NodeSpec, NodeState, NodeStatus, Ratio, RequestId, Role, Service,
    ServiceId, ServiceSpec, Slot, Task, TaskId, TaskState, Timestamp,
};
use store::{Command, Entry, Event, Refused, RollbackCause, State, StatusReport, TaskOp, View};

use crate::{Dirty, Moment, pass, plan_create_network, plan_create_service, plan_init};

pub(crate) const SECOND: i64 = 1_000_000_000;

/// A ready worker `192.168.0.<id>`.
pub(crate) fn node(id: u128, hostname: &str) -> Node {
    let addr = format!("192.168.0.{id}").parse().unwrap();
    Node {
        id: NodeId::from_bits(id),
        version: 0,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        spec: NodeSpec {
            role: Role::Worker,
            availability: Availability::Active,
            labels: BTreeMap::new(),
        },
        description: Some(NodeDescription {
            hostname: hostname.to_owned(),
            os: "linux".to_owned(),
            arch: "x86_64".to_owned(),
            engine_version: "1".to_owned(),
            engine_labels: BTreeMap::new(),
            nano_cpus: 1,
            memory_bytes: 1,
            vtep: addr,
            underlay_mtu: 1500,
            taken_prefixes: vec!["192.168.0.0/24".parse().unwrap(), "0.0.0.0/0".parse().unwrap()],
            held_ports: Vec::new(),
            engine_error: String::new(),
            generic_resources: Vec::new(),
            plugins: Vec::new(),
        }),
        status: NodeStatus {
            state: NodeState::Ready,
            message: String::new(),
            addr,
        },
        manager_addr: None,
        raft_id: None,
    }
}

/// A new task of service 1, slot 1.
pub(crate) fn task(id: u128) -> Task {
    let service = (ServiceId::from_bits(1), "web".parse().unwrap());
    let container = Arc::new(ContainerSpec::of("image"));
    Task::new(TaskId::from_bits(id), service, Slot::MIN, container, Timestamp(0))
}

fn cluster() -> Cluster {
    Cluster {
        id: ClusterId::from_bits(1),
        version: 0,
        created_at: Timestamp(0),
        settings: ClusterSettings::default(),
        root_ca: String::new(),
        secrets: ClusterSecrets {
            worker_token: String::new(),
            manager_token: String::new(),
            root_ca_key: String::new(),
            unlock_key: String::new(),
        },
    }
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Bed {
    state: State,
    ids: u128,
    /// Objects changed so far.
    changed: usize,
    /// What each entry changed, with the state after it, for those who follow.
    pub steps: Vec<(View, Vec<Event>)>,
    /// What events have marked since the last pass over it.
    dirty: Dirty,
    pub now: Timestamp,
}

impl Bed {
    /// Nodes `n1`, `n2`, ... with ids 1, 2, ...
    pub fn with_nodes(count: u128) -> Self {
        let mut bed = Self {
            state: State::default(),
            ids: 1000,
            changed: 0,
            steps: Vec::new(),
            dirty: Dirty::default(),
            now: Timestamp(SECOND),
        };
        let ingress = NetworkId::from_bits(100);
        let init = plan_init(bed.view(), cluster(), node(1, "n1"), ingress).unwrap();
        bed.apply(init).unwrap();
        for id in 2..=count {
            bed.apply(Command::UpsertNode(Box::new(node(id, &format!("n{id}")))))
                .unwrap();
        }
        bed
    }

    pub fn view(&self) -> &View {
        &self.state
    }

    pub fn apply(&mut self, command: Command) -> Result<(), Refused> {
        let index = self.state.applied() + 1;
        let request = RequestId::from_bits(u128::from(index));
        let events = self.state.apply(index, Entry { request, command })?;
        self.changed += events.len();
        events.iter().for_each(|event| self.dirty.note(event));
        self.steps.push((self.state.clone(), events));
        Ok(())
    }

    pub fn apply_all(&mut self, commands: Vec<Command>) {
        for command in commands {
            self.apply(command).unwrap();
        }
    }

    /// A network; its id.
    pub fn network(&mut self, name: &str, change: impl FnOnce(&mut NetworkSpec)) -> Result<NetworkId, Refused> {
        let mut spec = NetworkSpec::named(name.parse().unwrap());
        change(&mut spec);
        self.ids += 1;
        let id = NetworkId::from_bits(self.ids);
        let command = plan_create_network(&self.state, id, self.now, spec)?;
        self.apply(command).map(|()| id)
    }

    /// A service of `image`; its id.
    pub fn service(&mut self, name: &str, change: impl FnOnce(&mut ServiceSpec)) -> Result<ServiceId, Refused> {
        let mut spec = ServiceSpec::new(name.parse().unwrap(), "image");
        change(&mut spec);
        self.ids += 1;
        let id = ServiceId::from_bits(self.ids);
        let command = plan_create_service(&self.state, id, self.now, spec)?;
        self.apply(command).map(|()| id)
    }

    /// Changes a service's spec.
    pub fn update(&mut self, id: ServiceId, change: impl FnOnce(&mut ServiceSpec)) {
        self.change(id, None, change).unwrap();
    }

    /// Changes the spec of a share of a service's tasks, in per cent.
    pub fn canary(&mut self, id: ServiceId, share: u32, change: impl FnOnce(&mut ServiceSpec)) -> Result<(), Refused> {
        self.change(id, Ratio::new(share * 10_000).ok(), change)
    }

    fn change(
        &mut self,
        id: ServiceId,
        canary: Option<Ratio>,
        change: impl FnOnce(&mut ServiceSpec),
    ) -> Result<(), Refused> {
        let old: Service = self.state.service(id).unwrap().clone();
        let mut spec = old.spec;
        change(&mut spec);
        let command = crate::plan_update_service(&self.state, id, old.version, self.now, spec, canary)?;
        self.apply(command)
    }

    /// Promotes a service's canary, or aborts it.
    pub fn decide_canary(&mut self, id: ServiceId, promote: bool) -> Result<(), Refused> {
        let version = self.state.service(id).unwrap().version;
        let plan = if promote {
            crate::plan_promote_canary
        } else {
            crate::plan_abort_canary
        };
        let command = plan(&self.state, id, version, self.now)?;
        self.apply(command)
    }

    /// Brings a service's spec before the last change back.
    pub fn roll_back(&mut self, id: ServiceId) -> Result<(), Refused> {
        let version = self.state.service(id).unwrap().version;
        let command = crate::plan_rollback_service(&self.state, id, version, self.now, RollbackCause::Asked)?;
        self.apply(command)
    }

    /// Runs passes over everything until nothing is left to do; how many had something to do.
    pub fn settle(&mut self) -> usize {
        self.run_passes(|_| Dirty::all())
    }

    /// Runs passes over what events have marked.
    pub fn settle_dirty(&mut self) -> usize {
        self.run_passes(std::mem::take)
    }

    fn run_passes(&mut self, mut dirty: impl FnMut(&mut Dirty) -> Dirty) -> usize {
        for passes in 0..20 {
            let dirty = dirty(&mut self.dirty);
            let ids = &mut self.ids;
            let mut fresh = || {
                *ids += 1;
                *ids
            };
            let commands = pass(&self.state, &dirty, Moment::settled(self.now), &mut fresh);
            if commands.is_empty() {
                return passes;
            }
            self.apply_all(commands);
        }
        panic!("passes never come to an end");
    }

    /// The task's own agent reports `state`.
    pub fn report(&mut self, id: TaskId, state: TaskState) {
        let task = self.state.task(id).unwrap();
        let (node, mut status) = (task.node.unwrap(), task.status.clone());
        status.state = state;
        status.at = self.now;
        let report = StatusReport {
            node,
            task: id,
            status,
            heard: None,
        };
        self.apply(Command::Tasks(vec![TaskOp::Report(Box::new(report))]))
            .unwrap();
    }

    /// All agents do at once what is wanted of them.
    pub fn agents(&mut self) {
        let tasks: Vec<Task> = self.state.tasks().cloned().collect();
        for task in tasks {
            let up = task
                .node
                .and_then(|id| self.state.node(id))
                .is_some_and(|n| n.status.state == NodeState::Ready);
            if up && !task.status.state.is_terminal() {
                self.report(
                    task.id,
                    match task.desired {
                        DesiredState::Ready => TaskState::Ready,
                        DesiredState::Running | DesiredState::Complete => TaskState::Running,
                        DesiredState::Shutdown | DesiredState::Remove => TaskState::Shutdown,
                    },
                );
            }
        }
    }

    /// Lets passes and agents work until nothing changes.
    pub fn converge(&mut self) {
        for _ in 0..50 {
            let decided = self.settle();
            let before = self.changed;
            self.agents();
            if decided == 0 && self.changed == before {
                return;
            }
        }
        panic!("never converges");
    }

    /// `slot node state desired` of the tasks of a service, ended ones left out, in the order of slots.
    pub fn live(&self, service: ServiceId) -> Vec<String> {
        let live = self.state.tasks_of_service(service).filter(|task| task.is_live());
        live.map(|task| {
            let node = task.node.map_or("-".to_owned(), |id| id.bits().to_string());
            format!("{} n{node} {} {}", task.slot, task.status.state, task.desired.word())
        })
        .collect()
    }

    /// What a node says of its machine from now on.
    pub fn describe(&mut self, id: u128, change: impl FnOnce(&mut NodeDescription)) {
        let node = self.state.node(NodeId::from_bits(id)).unwrap().clone();
        let mut description = node.description.unwrap();
        change(&mut description);
        self.apply(Command::DescribeNode {
            id: node.id,
            at: self.now,
            addr: node.status.addr,
            control: None,
            description: Box::new(description),
        })
        .unwrap();
    }

    /// What an operator wishes of a node from now on.
    pub fn node_spec(&mut self, id: u128, change: impl FnOnce(&mut NodeSpec)) {
        let node = self.state.node(NodeId::from_bits(id)).unwrap();
        let (id, version, mut spec) = (node.id, node.version, node.spec.clone());
        change(&mut spec);
        let at = self.now;
        self.apply(Command::UpdateNodeSpec { id, version, at, spec }).unwrap();
    }

    pub fn node_status(&mut self, id: u128, state: NodeState) {
        let id = NodeId::from_bits(id);
        let command = Command::NodeStatus {
            id,
            at: self.now,
            state,
            message: String::new(),
        };
        self.apply(command).unwrap();
    }
}

/// A cluster of `nodes` with a service `web` of `replicas` running tasks.
pub(crate) fn web(nodes: u128, replicas: u32, change: impl FnOnce(&mut ServiceSpec)) -> (Bed, ServiceId) {
    let mut bed = Bed::with_nodes(nodes);
    let id = bed.service("web", |spec| {
        spec.mode = model::Mode::Replicated { replicas };
        change(spec);
    });
    bed.converge();
    (bed, id.unwrap())
}

pub(crate) fn tasks(bed: &Bed, service: ServiceId, chosen: impl Fn(&Task) -> bool) -> Vec<Task> {
    bed.view()
        .tasks_of_service(service)
        .filter(|task| chosen(task))
        .cloned()
        .collect()
}

pub(crate) fn running(bed: &Bed, service: ServiceId) -> Vec<u32> {
    let running = tasks(bed, service, |t| t.is_live() && t.status.state == TaskState::Running);
    running.iter().map(|task| task.slot.get()).collect()
}
