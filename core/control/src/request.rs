//! What users ask for, planned into commands: the API edge calls these with a fresh view, an id and the time. A command
//! that is refused with [`Refused::is_race`] has lost a race; plan it once more.

mod payload;

use model::{
    Cluster, ClusterSettings, NetworkId, NetworkSpec, Node, Ratio, Service, ServiceId, ServiceSpec, Timestamp,
};
use store::{Command, Kind, NewNetwork, NewService, Refused, Rollback, RollbackCause, ServiceChange, State, View};

use crate::allocator::{networks_of, port, subnet, vip, vni};

pub use payload::{plan_create_payload, plan_label_payload, plan_remove_payload, plan_rotate_payload};

/// A new cluster with its first node and its ingress network. The node's description says which prefixes are taken.
pub fn plan_init(view: &View, cluster: Cluster, node: Node, ingress: NetworkId) -> Result<Command, Refused> {
    let at = cluster.created_at;
    let mut scratch: State = view.clone();
    let mut batch = Vec::new();
    for command in [
        Command::InitCluster(Box::new(cluster)),
        Command::UpsertNode(Box::new(node)),
    ] {
        scratch.apply_draft(command.clone())?;
        batch.push(command);
    }
    let name = "ingress".parse().map_err(invalid)?;
    let spec = NetworkSpec {
        ingress: true,
        ..NetworkSpec::named(name)
    };
    batch.push(plan_create_network(&scratch, ingress, at, spec)?);
    Ok(Command::Batch(batch))
}

fn invalid(why: model::Invalid) -> Refused {
    Refused::Invalid(why.to_string())
}

/// A network with a segment, a subnet and a gateway.
pub fn plan_create_network(view: &View, id: NetworkId, at: Timestamp, spec: NetworkSpec) -> Result<Command, Refused> {
    spec.validate().map_err(invalid)?;
    if view.network_named(&spec.name).is_some() {
        return Err(Refused::NameTaken {
            kind: Kind::Network,
            name: spec.name.to_string(),
        });
    }
    let subnet = subnet::choose(view, &spec)?;
    let gateway = subnet::gateway(&spec, subnet);
    let vni = vni::choose(view, spec.name.as_str())?;
    planned(
        view,
        Command::CreateNetwork(Box::new(NewNetwork {
            id,
            at,
            spec,
            vni,
            subnet,
            gateway,
        })),
    )
}

/// A service with its virtual IPs and published ports. Its tasks come from the next pass.
pub fn plan_create_service(view: &View, id: ServiceId, at: Timestamp, spec: ServiceSpec) -> Result<Command, Refused> {
    if view.service_named(&spec.name).is_some() {
        return Err(Refused::NameTaken {
            kind: Kind::Service,
            name: spec.name.to_string(),
        });
    }
    check(view, &spec)?;
    let vips = vip::choose(view, &spec, None)?;
    let ports = port::choose(view, &spec, None)?;
    planned(
        view,
        Command::CreateService(Box::new(NewService {
            id,
            at,
            spec,
            vips,
            ports,
        })),
    )
}

/// A service's new spec, of all its tasks or of a canary with this share. `version` is that of the service as the user read
/// it.
pub fn plan_update_service(
    view: &View,
    id: ServiceId,
    version: u64,
    at: Timestamp,
    spec: ServiceSpec,
    canary: Option<Ratio>,
) -> Result<Command, Refused> {
    let before = known(view, id)?;
    check(view, &spec)?;
    let vips = vip::choose(view, &spec, Some(before))?;
    let ports = port::choose(view, &spec, Some(before))?;
    let change = ServiceChange {
        id,
        version,
        at,
        spec,
        vips,
        ports,
        canary,
    };
    planned(view, Command::UpdateService(Box::new(change)))
}

/// The spec before a service's last change. `version` is that of the service as it was read.
pub fn plan_rollback_service(
    view: &View,
    id: ServiceId,
    version: u64,
    at: Timestamp,
    cause: RollbackCause,
) -> Result<Command, Refused> {
    let before = known(view, id)?;
    let previous = before.previous.as_deref();
    let spec = &previous
        .ok_or_else(|| Refused::NoPrevious(before.spec.name.to_string()))?
        .spec;
    check(view, spec)?;
    let rollback = Rollback {
        id,
        version,
        at,
        cause,
        vips: vip::choose(view, spec, Some(before))?,
        ports: port::choose(view, spec, Some(before))?,
    };
    planned(view, Command::RollbackService(Box::new(rollback)))
}

/// All tasks of a service become what its canaries are. `version` is that of the service as the user read it.
pub fn plan_promote_canary(view: &View, id: ServiceId, version: u64, at: Timestamp) -> Result<Command, Refused> {
    known(view, id)?;
    planned(view, Command::PromoteCanary { id, version, at })
}

/// A service's canaries end, and its spec is again that of its other tasks. `version` is that of the service as it was read.
pub fn plan_abort_canary(view: &View, id: ServiceId, version: u64, at: Timestamp) -> Result<Command, Refused> {
    let before = known(view, id)?;
    if before.canary.is_none() {
        return Err(Refused::NoCanary(before.spec.name.to_string()));
    }
    plan_rollback_service(view, id, version, at, RollbackCause::Asked)
}

fn known(view: &View, id: ServiceId) -> Result<&Service, Refused> {
    let missing = || Refused::NotFound {
        kind: Kind::Service,
        what: id.to_string(),
    };
    view.service(id).ok_or_else(missing)
}

/// New settings. `version` is that of the cluster as the user read it.
pub fn plan_update_cluster(view: &View, version: u64, settings: ClusterSettings) -> Result<Command, Refused> {
    settings.validate().map_err(invalid)?;
    let before = &view.cluster().ok_or(Refused::NoCluster)?.settings;
    let fixed = |s: &ClusterSettings| (s.data_port, s.address_pools.clone(), s.subnet_prefix);
    if fixed(before) != fixed(&settings) {
        let words = "data path port and address pools are chosen at swarm init and stay";
        return Err(Refused::Invalid(words.to_owned()));
    }
    let settings = Box::new(settings);
    planned(view, Command::UpdateSettings { version, settings })
}

fn check(view: &View, spec: &ServiceSpec) -> Result<(), Refused> {
    spec.validate().map_err(invalid)?;
    let wants_rights = spec.container.privileged || !spec.container.devices.is_empty();
    if wants_rights && !view.cluster().is_some_and(|cluster| cluster.settings.allow_privileged) {
        return Err(Refused::PrivilegedOff(spec.name.to_string()));
    }
    let networks = networks_of(view, spec)?;
    match networks
        .iter()
        .find(|(network, _)| network.spec.ingress && !spec.networks.is_empty())
    {
        Some((ingress, _)) => Err(Refused::IngressNamed(ingress.spec.name.to_string())),
        None => Ok(()),
    }
}

/// Refuses right away what `apply` would refuse on this view.
pub(crate) fn planned(view: &View, command: Command) -> Result<Command, Refused> {
    let mut scratch: State = view.clone();
    scratch.apply_draft(command.clone())?;
    Ok(command)
}

#[cfg(test)]
mod tests;
