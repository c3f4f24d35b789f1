//! What the kernels must lead to in the end.

use std::collections::BTreeSet;

use model::{DesiredState, PublishMode, PublishedPort, Task, TaskState};
use store::State;

use super::Checked;
use crate::{kernel::Frontends, node::Machine};

/// At the end: on each machine, virtual IPs of its networks and published ports lead to the tasks that run, no others.
pub fn kernels(state: &State, machines: &[Machine]) -> Checked {
    for machine in machines.iter().filter(|machine| state.node(machine.id).is_some()) {
        let (have, want) = (machine.kernel.backends(), frontends(state, machine));
        ensure!(
            have == want,
            "kernel of node {} has {have:?} instead of {want:?}",
            machine.id
        );
    }
    Ok(())
}

fn frontends(state: &State, machine: &Machine) -> Frontends {
    let tasks = machine.view.iter().flat_map(|view| &view.tasks);
    let local: BTreeSet<_> = tasks.flat_map(|task| &task.attachments).map(|a| a.network).collect();
    let mut all = Frontends::new();
    for service in state.services() {
        let tasks = state.tasks_of_service(service.id);
        let running = tasks.filter(|t| t.desired == DesiredState::Running && t.status.state == TaskState::Running);
        for task in running {
            let (gateway, here) = (&task.attachments[0], task.node == Some(machine.id));
            let answers = |port: &&PublishedPort| port.mode == PublishMode::Ingress || here && was_given(task, port);
            for port in service.ports.iter().filter(answers) {
                let key = (0, None, port.published, port.protocol.number());
                all.entry(key).or_default().insert(gateway.addr);
            }
            for vip in service.vips.iter().filter(|vip| local.contains(&vip.network)) {
                let vni = state.network(vip.network).map_or(0, |network| network.vni.get());
                let own = task.attachments.iter().filter(|a| a.network == vip.network);
                // A task from before its service came to this network has none there.
                for attachment in own {
                    all.entry((vni, Some(vip.addr), 0, 0))
                        .or_default()
                        .insert(attachment.addr);
                }
            }
        }
    }
    all
}

/// Whether the task got `port` of its node with its place; one from before its service wanted the port did not.
fn was_given(task: &Task, port: &PublishedPort) -> bool {
    let mut given = task.host_ports.iter();
    given.any(|given| (given.published, given.protocol) == (port.published, port.protocol))
}
