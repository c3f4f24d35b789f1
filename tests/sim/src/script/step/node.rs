//! What happens to nodes.

use control::find_node;
use model::{GenericResource, HeldPort, Node, NodeDescription, NodeId, NodeSpec, NodeState, Protocol};
use store::Command;

use super::{Bed, Failed, number};

pub(super) fn change(bed: &mut Bed, name: &str, change: impl FnOnce(&mut NodeSpec)) -> Result<(), Failed> {
    let node: &Node = find_node(bed.view(), name)?;
    let (id, version, mut spec) = (node.id, node.version, node.spec.clone());
    change(&mut spec);
    let at = bed.now;
    Ok(bed.apply(Command::UpdateNodeSpec { id, version, at, spec })?)
}

pub(super) fn label(bed: &mut Bed, name: &str, pair: &str) -> Result<(), Failed> {
    let (key, value) = pair.split_once('=').ok_or_else(|| format!("{pair} is not KEY=VALUE"))?;
    change(bed, name, |spec| match value {
        "" => drop(spec.labels.remove(key)),
        _ => drop(spec.labels.insert(key.to_owned(), value.to_owned())),
    })
}

fn status(bed: &mut Bed, name: &str, state: NodeState, message: &str) -> Result<NodeId, Failed> {
    let (id, at) = (find_node(bed.view(), name)?.id, bed.now);
    let message = message.to_owned();
    bed.apply(Command::NodeStatus { id, at, state, message })?;
    Ok(id)
}

pub(super) fn down(bed: &mut Bed, name: &str, crashes: bool) -> Result<(), Failed> {
    let id = status(bed, name, NodeState::Down, "heartbeat failure")?;
    bed.unheard.insert(id);
    if crashes {
        bed.forget_operations(id);
        bed.machine(id).into_iter().for_each(|machine| machine.power_off());
    }
    Ok(())
}

pub(super) fn up(bed: &mut Bed, name: &str) -> Result<(), Failed> {
    let (id, now) = (status(bed, name, NodeState::Ready, "")?, bed.now);
    bed.unheard.remove(&id);
    let crashed = bed.machine(id).filter(|machine| !machine.up);
    crashed.into_iter().for_each(|machine| machine.restart_agent(true, now));
    Ok(())
}

pub(super) fn forget(bed: &mut Bed, name: &str) -> Result<(), Failed> {
    let (id, at) = (find_node(bed.view(), name)?.id, bed.now);
    Ok(bed.apply(Command::RemoveNode { id, at, force: false })?)
}

/// What the node says of its machine from now on.
pub(super) fn machine(bed: &mut Bed, name: &str, pairs: &[&str]) -> Result<(), Failed> {
    let node: &Node = find_node(bed.view(), name)?;
    let (id, addr, control) = (node.id, node.status.addr, node.manager_addr);
    let mut description = node.description.clone().ok_or_else(|| format!("{name} says nothing"))?;
    for pair in pairs {
        say(&mut description, pair)?;
    }
    let description = Box::new(description);
    let at = bed.now;
    Ok(bed.apply(Command::DescribeNode {
        id,
        at,
        addr,
        control,
        description,
    })?)
}

fn say(machine: &mut NodeDescription, pair: &str) -> Result<(), String> {
    let (key, value) = pair.split_once('=').ok_or_else(|| format!("{pair} is not KEY=VALUE"))?;
    let parts = value.split(',').filter(|part| !part.is_empty());
    match key {
        "cpus" => machine.nano_cpus = number::<i64>(value)? * 1_000_000_000,
        "memory" => machine.memory_bytes = number::<i64>(value)? << 20,
        "generic" => {
            let resources = parts.map(|part| part.parse::<GenericResource>().map_err(|why| why.to_string()));
            machine.generic_resources = resources.collect::<Result<_, _>>()?;
        }
        "holds" => {
            let held = |part| {
                Ok::<_, String>(HeldPort {
                    port: number(part)?,
                    protocol: Protocol::Tcp,
                    holder: "somebody".to_owned(),
                })
            };
            machine.held_ports = parts.map(held).collect::<Result<_, _>>()?;
        }
        _ => return Err(format!("machines have no key {key}")),
    }
    Ok(())
}
