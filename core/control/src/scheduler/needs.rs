//! What the tasks of a service ask of a node, read once for all of them.

use model::{ContainerSpec, Mount, MountKind, PublishMode, PublishedPort, Reservations, Service};

/// See the module.
pub(super) struct Needs<'a> {
    pub service: &'a Service,
    /// What is to be set aside.
    pub reservations: &'a Reservations,
    /// Drivers that the engine must have, as a node's description names them.
    pub plugins: Vec<String>,
    /// Ports of the host.
    pub host_ports: Vec<PublishedPort>,
}

impl<'a> Needs<'a> {
    pub fn of(service: &'a Service) -> Self {
        let container = &service.spec.container;
        let host = service.ports.iter().filter(|port| port.mode == PublishMode::Host);
        Self {
            service,
            reservations: &container.resources.reservations,
            plugins: plugins(container),
            host_ports: host.cloned().collect(),
        }
    }
}

/// Drivers that are asked for by name; those that every engine has go without saying.
fn plugins(container: &ContainerSpec) -> Vec<String> {
    let volumes = container
        .mounts
        .iter()
        .filter_map(volume_driver)
        .map(|name| format!("Volume/{name}"));
    let log = container.log_driver.iter().map(|driver| driver.name.as_str());
    let log = log
        .filter(|name| !name.is_empty() && *name != "none")
        .map(|name| format!("Log/{name}"));
    volumes.chain(log).collect()
}

fn volume_driver(mount: &Mount) -> Option<&str> {
    match &mount.kind {
        MountKind::Volume { driver, .. } => {
            let name = driver.as_ref().map(|driver| driver.name.as_str());
            name.filter(|name| !name.is_empty() && *name != "local")
        }
        _ => None,
    }
}
