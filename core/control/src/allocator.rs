//! What services, networks and tasks get: segments, subnets, addresses, virtual IPs, ports. Called by the pass for
//! tasks, by the API edge (`request.rs`) for networks and services.

pub(crate) mod ipam;
pub(crate) mod port;
pub(crate) mod subnet;
pub(crate) mod vip;
pub(crate) mod vni;

use model::{Attachment, Name, Network, NetworkId, Service, ServiceSpec, Task, TaskState};
use store::{Refused, TaskOp, View};

use crate::draft::Draft;

/// Gives addresses to the tasks that have none. A task whose network is full keeps waiting and says why.
pub(crate) fn allocate(draft: &mut Draft<'_>) {
    let view = draft.view();
    for task in view
        .tasks_without_node()
        .filter(|task| task.is_live() && task.status.state == TaskState::New)
    {
        // As it is now: an earlier step of this pass may have removed it.
        let current = draft.view();
        let Some(service) = current.service(task.service) else {
            continue;
        };
        let at = draft.now;
        match attachments(&current, service) {
            Ok(attachments) => draft.decide(TaskOp::Allocate {
                task: task.id,
                at,
                attachments,
            }),
            Err(reason) => explain(draft, task, &reason.to_string()),
        }
    }
}

/// Notes why a task waits, unless it says so already.
pub(crate) fn explain(draft: &mut Draft<'_>, task: &Task, err: &str) {
    if task.status.err != err {
        let (task, at, err) = (task.id, draft.now, err.to_owned());
        draft.decide(TaskOp::Explain { task, at, err });
    }
}

/// The networks that tasks of `spec` join, the gateway endpoint's first: that is the first network which has a way to
/// the outside, or else the first. Without networks: the ingress network.
pub(crate) fn networks_of<'a>(view: &'a View, spec: &ServiceSpec) -> Result<Vec<(&'a Network, Vec<Name>)>, Refused> {
    if spec.networks.is_empty() {
        let ingress = view.ingress_network();
        let ingress = ingress.ok_or_else(|| Refused::NoIngress(spec.name.to_string()))?;
        return Ok(vec![(ingress, Vec::new())]);
    }
    let mut networks = Vec::new();
    for attachment in &spec.networks {
        let network = known(view, attachment.network)?;
        networks.push((network, attachment.aliases.clone()));
    }
    if let Some(gateway) = networks.iter().position(|(network, _)| !network.spec.internal) {
        networks[..=gateway].rotate_right(1);
    }
    Ok(networks)
}

fn known(view: &View, id: NetworkId) -> Result<&Network, Refused> {
    view.network(id).ok_or_else(|| Refused::NotFound {
        kind: store::Kind::Network,
        what: id.to_string(),
    })
}

fn attachments(view: &View, service: &Service) -> Result<Vec<Attachment>, Refused> {
    let mut attachments = Vec::new();
    for (network, aliases) in networks_of(view, &service.spec)? {
        let addr = ipam::free_address(view, network)?;
        attachments.push(Attachment {
            network: network.id,
            addr,
            aliases,
        });
    }
    Ok(attachments)
}
