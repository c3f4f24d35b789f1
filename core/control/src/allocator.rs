//! What services, networks and tasks get: segments, subnets, addresses, virtual IPs, ports. Called by the pass for
//! tasks, by the API edge (`request.rs`) for networks and services.

pub(crate) mod ipam;
pub(crate) mod port;
pub(crate) mod subnet;
pub(crate) mod vip;
pub(crate) mod vni;

use model::{Attachment, Name, Network, NetworkId, ServiceSpec, TaskId};
use store::{Refused, TaskOp, View};

use crate::draft::Draft;

/// The networks of a service, each with the names that it has there, or why it cannot have them.
pub(crate) type Joined<'a> = Result<Vec<(&'a Network, Vec<Name>)>, Refused>;

/// Addresses for a task in these networks, not taken yet. `None`: a network is full, or there is none; the task says so.
pub(crate) fn addresses(draft: &mut Draft<'_>, networks: &Joined<'_>, task: TaskId) -> Option<Vec<Attachment>> {
    let networks = networks.as_deref().map_err(Refused::clone);
    match networks.and_then(|networks| attachments(draft.state(), networks)) {
        Ok(attachments) => Some(attachments),
        Err(reason) => {
            explain(draft, task, &reason.to_string());
            None
        }
    }
}

/// Notes why a task waits, unless it says so already.
pub(crate) fn explain(draft: &mut Draft<'_>, task: TaskId, err: &str) {
    if draft.state().task(task).is_some_and(|task| task.status.err != err) {
        let (at, err) = (draft.now, err.to_owned());
        draft.decide(TaskOp::Explain { task, at, err });
    }
}

/// The networks that tasks of `spec` join, the gateway endpoint's first: that is the first network which has a way to
/// the outside, or else the first. Without networks: the ingress network.
pub(crate) fn networks_of<'a>(view: &'a View, spec: &ServiceSpec) -> Joined<'a> {
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

fn attachments(view: &View, networks: &[(&Network, Vec<Name>)]) -> Result<Vec<Attachment>, Refused> {
    let attach = |(network, aliases): &(&Network, Vec<Name>)| {
        Ok(Attachment {
            network: network.id,
            addr: ipam::free_address(view, network)?,
            aliases: aliases.clone(),
        })
    };
    networks.iter().map(attach).collect()
}
