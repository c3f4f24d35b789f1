//! What must hold after every applied entry, in every view that is sent, and in the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use control::{Dirty, Moment, next_deadline, node_view, pass};
use model::{
    DesiredState, Network, PayloadId, PublishMode, RestartCondition, Service, Task, TaskId, TaskState, Timestamp,
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
mod view;

pub use kernels::kernels;
pub use members::{Membership, same_members};
pub use quarantine::{Quarantine, one_task_per_host_port};
pub use slots::Slots;
pub use view::view;

/// After an entry: `events` say what it changed.
pub fn after(before: &State, now: &State, events: &[Event]) -> Checked {
    for event in events {
        match event {
            Event::Task { task, .. } => {
                if let (Some(old), Some(new)) = (before.task(*task), now.task(*task)) {
                    grows(old, new)?;
                }
            }
            Event::Payload { id, .. } => keeps_bytes(before, now, *id)?,
            _ => {}
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
        "task {id} goes back from {} to {}",
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

/// The bytes of a secret or config stay what they are, and there as long as it is a file of what is wanted.
fn keeps_bytes(before: &State, now: &State, id: PayloadId) -> Checked {
    let bytes = |state: &State| state.payload(id).map(|payload| payload.bytes.clone());
    match (bytes(before), bytes(now)) {
        (Some(old), Some(new)) => ensure!(old == new, "payload {id} got other bytes"),
        (Some(_), None) => {
            let current = |task: &&Task| {
                let service = now.service(task.service);
                task.is_live() && service.is_some_and(|service| service.spec_version == task.spec_version)
            };
            let has = |task: &&Task| task.container.payloads().any(|(_, file)| file.id == id);
            let user = now.tasks().filter(current).find(has).map(Task::name);
            ensure!(user.is_none(), "payload {id} is gone, but {user:?} has it");
        }
        (None, _) => {}
    }
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
