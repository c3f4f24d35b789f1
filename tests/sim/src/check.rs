//! What must hold after every applied entry, in every view that is sent, and in the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use control::{Dirty, Moment, next_deadline, node_view, pass};
use model::{
    DesiredState, Network, NodeId, NodeState, NodeView, PublishMode, RestartCondition, Service, Task, TaskId,
    TaskState, Timestamp,
};
use plan::container::ContainerState;
use store::{Event, State};

use crate::node::Machine;

/// What was broken, in words.
pub type Checked = Result<(), String>;

macro_rules! ensure {
    ($holds:expr, $($text:tt)*) => {
        if !$holds {
            return Err(format!($($text)*));
        }
    };
}

mod kernels;
mod members;
mod quarantine;
mod slots;

pub use kernels::kernels;
pub use members::{Membership, same_members};
pub use quarantine::{Quarantine, one_task_per_host_port};
pub use slots::Slots;

/// After an entry: `events` say what it changed.
pub fn after(before: &State, now: &State, events: &[Event]) -> Checked {
    for event in events {
        let Event::Task { task, .. } = event else { continue };
        if let (Some(old), Some(new)) = (before.task(*task), now.task(*task)) {
            grows(old, new)?;
        }
    }
    unique_addresses(now)?;
    unique_ports(now)?;
    one_task_per_host_port(now)?;
    one_wanted_per_slot(now)
}

fn grows(old: &Task, new: &Task) -> Checked {
    let id = old.id;
    ensure!(
        old.status.state <= new.status.state,
        "task {id}: {} to {}",
        old.status.state,
        new.status.state
    );
    ensure!(
        old.desired <= new.desired,
        "task {id}: wanted {:?}, then {:?}",
        old.desired,
        new.desired
    );
    ensure!(old.node.is_none() || old.node == new.node, "task {id} moved");
    let kept = old.attachments.is_empty() || old.attachments == new.attachments;
    ensure!(kept, "task {id} got other addresses");
    Ok(())
}

/// Who has an address; put into words only when that is wrong.
#[derive(Clone, Copy)]
enum Owner<'a> {
    Gateway(&'a Network),
    Vip(&'a Service),
    Task(&'a Task),
}

impl fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway(network) => write!(f, "gateway of {}", network.spec.name),
            Self::Vip(service) => write!(f, "VIP of {}", service.spec.name),
            Self::Task(task) => write!(f, "task {}", task.id),
        }
    }
}

fn unique_addresses(state: &State) -> Checked {
    let mut taken = BTreeMap::new();
    let gateways = state.networks().map(|n| (n.id, n.gateway, Owner::Gateway(n)));
    let vips = state
        .services()
        .flat_map(|s| s.vips.iter().map(move |vip| (vip.network, vip.addr, Owner::Vip(s))));
    let tasks = state
        .tasks()
        .filter(|task| !task.status.state.is_terminal())
        .flat_map(|t| t.attachments.iter().map(move |a| (a.network, a.addr, Owner::Task(t))));
    for (network, addr, owner) in gateways.chain(vips).chain(tasks) {
        if let Some(other) = taken.insert((network, addr), owner) {
            return Err(format!("{addr} is held by {owner} and {other}"));
        }
    }
    Ok(())
}

fn unique_ports(state: &State) -> Checked {
    let mut taken = BTreeSet::new();
    for service in state.services() {
        for port in service.ports.iter().filter(|port| port.mode == PublishMode::Ingress) {
            let new = taken.insert((port.published, port.protocol));
            ensure!(new, "port {} is published twice", port.published);
        }
    }
    let vnis: BTreeSet<_> = state.networks().map(|network| network.vni).collect();
    ensure!(vnis.len() == state.networks().count(), "a VNI is used twice");
    Ok(())
}

/// Of each spec: a canary, or what was one, may be beside another task.
fn one_wanted_per_slot(state: &State) -> Checked {
    let mut slots = BTreeSet::new();
    for task in state.tasks().filter(|task| task.is_live()) {
        ensure!(
            slots.insert((task.service, task.slot, task.spec_version)),
            "two live tasks of one spec fill {}",
            task.name()
        );
    }
    Ok(())
}

/// In the view of a node, whole or made out of changes: it is the one of the state at its index.
pub fn view(state: &State, node: NodeId, view: &NodeView) -> Checked {
    ensure!(
        node == view.node,
        "node {node} is told what node {} should have, not its own",
        view.node
    );
    let foreign = view.tasks.iter().find(|task| task.node != Some(node));
    if let Some(task) = foreign {
        return Err(format!("node {node} is told of {}, which is not its own", task.name()));
    }
    let peers: BTreeSet<_> = view.peers.iter().map(|peer| peer.node).collect();
    for endpoint in &view.endpoints {
        let task = state.task(endpoint.task).ok_or("an endpoint without a task")?;
        let up = state
            .node(endpoint.node)
            .is_some_and(|node| node.status.state != NodeState::Down);
        let runs = task.status.state == TaskState::Running && task.desired == DesiredState::Running;
        ensure!(
            !endpoint.serving || (runs && up),
            "{} serves but does not run",
            task.name()
        );
        ensure!(
            endpoint.serving || !(runs && up),
            "{} runs but does not serve",
            task.name()
        );
        ensure!(
            !endpoint.serving || peers.contains(&endpoint.node),
            "{} serves on an unknown node",
            task.name()
        );
        ensure!(
            view.networks.iter().any(|n| n.id == endpoint.network),
            "an endpoint in an unknown network"
        );
    }
    let services: BTreeSet<_> = view.services.iter().map(|service| service.id).collect();
    for task in view.tasks.iter().filter(|task| state.service(task.service).is_some()) {
        ensure!(
            services.contains(&task.service),
            "the service of {} is missing",
            task.name()
        );
        for a in task.attachments.iter().filter(|a| state.network(a.network).is_some()) {
            let told = view
                .endpoints
                .iter()
                .any(|e| (e.task, e.network) == (task.id, a.network));
            ensure!(told, "the endpoint {} of {} is missing", a.addr, task.name());
        }
    }
    let want = node_view(state, node, view.seq);
    ensure!(
        want.as_ref() == Some(view),
        "node {node} has a view of no state: {}",
        difference(want.as_ref(), view)
    );
    Ok(())
}

/// What is missing in a view, and what is too much, for whoever reads of a failure.
pub fn difference(want: Option<&NodeView>, have: &NodeView) -> String {
    fn lines(view: &NodeView) -> BTreeSet<String> {
        let head = format!("port {}, MTU {}", view.data_port, view.container_mtu);
        let peers = view.peers.iter().map(|row| format!("{row:?}"));
        let networks = view.networks.iter().map(|row| format!("{row:?}"));
        let tasks = view
            .tasks
            .iter()
            .map(|row| format!("task {} version {}", row.name(), row.version));
        let endpoints = view.endpoints.iter().map(|row| format!("{row:?}"));
        let services = view.services.iter().map(|row| format!("{row:?}"));
        let rows = peers.chain(networks).chain(tasks).chain(endpoints).chain(services);
        rows.chain([head]).collect()
    }
    let (want, have) = (want.map(lines).unwrap_or_default(), lines(have));
    let missing: Vec<_> = want.difference(&have).collect();
    let surplus: Vec<_> = have.difference(&want).collect();
    format!("missing {missing:?}, too much {surplus:?}")
}

/// At the end, when faults have stopped for long enough: everything is as it is wanted, and nothing is left to do.
pub fn converged(state: &State, machines: &[Machine], now: Timestamp) -> Checked {
    state.services().try_for_each(|service| filled(state, service))?;
    for task in state.tasks().filter(|task| task.desired > DesiredState::Running) {
        ensure!(
            task.status.state.is_terminal(),
            "{} is not wanted but {}",
            task.name(),
            task.status.state
        );
        ensure!(
            state.service(task.service).is_some(),
            "{} outlives its service",
            task.name()
        );
    }
    let mut counter = 0;
    let left = pass(state, &Dirty::all(), Moment::settled(now), &mut || {
        counter += 1;
        counter
    });
    ensure!(left.is_empty(), "a pass has something to do: {left:?}");
    if let Some(at) = next_deadline(state, Moment::settled(now)) {
        let updates = state.services_updating();
        let updates: Vec<_> = updates
            .map(|service| (&service.spec.name, &service.update_status))
            .collect();
        return Err(format!(
            "something waits for {}, of updates {updates:?}",
            at.since(now).as_secs_f64()
        ));
    }
    machines.iter().try_for_each(|machine| settled(state, machine))
}

/// Each slot but canaries has one task that runs, or says why none does.
fn filled(state: &State, service: &Service) -> Checked {
    let live = state.tasks_of_service(service.id);
    let live = live.filter(|task| task.is_live() && !service.is_canary(task.spec_version));
    let (run, others): (Vec<&Task>, Vec<&Task>) = live.partition(|task| task.status.state == TaskState::Running);
    let without_room = |task: &&&Task| task.node.is_none() && !task.status.err.is_empty();
    let explained: BTreeSet<_> = others.iter().filter(without_room).map(|task| task.slot).collect();
    let taken: BTreeSet<_> = run.iter().map(|task| task.slot).collect();
    let blocked = explained.intersection(&taken).count();
    let explained = explained.len() - blocked;
    let (running, wanted) = (run.len(), service.spec.replicas().unwrap_or(0) as usize);
    let filled = running + explained;
    ensure!(
        filled == wanted || (filled < wanted && may_stay_empty(service)),
        "service {} has {running} of {wanted} tasks, {explained} say why not",
        service.spec.name
    );
    // An update goes from slot to slot: it may wait for room for one that has nothing, or be paused.
    let paused = service.update_status.as_ref().is_some_and(|s| s.state.is_paused());
    ensure!(
        blocked == 0 || explained > 0 || paused,
        "service {}: old tasks are in the way of new ones",
        service.spec.name
    );
    Ok(())
}

/// The restart policy may have given up a slot.
fn may_stay_empty(service: &Service) -> bool {
    let policy = service.spec.restart_policy();
    policy.condition != RestartCondition::Any || policy.max_attempts > 0
}

fn settled(state: &State, machine: &Machine) -> Checked {
    let Some(mut want) = node_view(state, machine.id, 0) else {
        return Ok(());
    };
    let have = machine
        .view
        .as_ref()
        .ok_or_else(|| format!("node {} has no view", machine.id))?;
    want.seq = have.seq;
    ensure!(want == **have, "node {} has an old view", machine.id);
    ensure!(
        !machine.begins(),
        "node {} has heard nothing since its agent began",
        machine.id
    );
    let running = |task: &&Task| task.status.state == TaskState::Running;
    let should: BTreeSet<_> = want.tasks.iter().filter(running).map(|task| task.id).collect();
    let runs = machine
        .engine
        .iter()
        .filter(|(_, state)| **state == ContainerState::Running);
    let does: BTreeSet<_> = runs.map(|(id, _)| *id).collect();
    ensure!(
        should == does,
        "node {} runs {does:?} instead of {should:?}",
        machine.id
    );
    let mut ended = machine.engine.keys().filter(|id| !does.contains(id));
    let is_its_own = |id: &TaskId| state.task(*id).is_some_and(|task| task.node == Some(machine.id));
    ensure!(
        ended.all(is_its_own),
        "node {} keeps containers of tasks that nobody remembers",
        machine.id
    );
    Ok(())
}
