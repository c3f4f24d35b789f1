//! What a task's container is made from: its name, labels and endpoints, out of the node's view.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use model::{
    ContainerSpec, GenericResource, Mac, NetworkId, NodeView, PayloadBytes, PayloadKind, PayloadRef, Task, TaskId,
};
use thiserror::Error;

use super::template::{Context, NodeFacts};

/// One endpoint of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointRequest {
    /// Its network.
    pub network: NetworkId,
    /// Its address with the subnet's prefix length.
    pub address: IpNet,
    /// Its hardware address.
    pub mac: Mac,
    /// Next hop of the default route; `Some` for exactly one endpoint of a container.
    pub gateway: Option<IpAddr>,
}

/// A file to put into a container before it starts, read-only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRequest {
    /// Absolute path in the container.
    pub path: String,
    /// Its content, with what templates stand for.
    pub bytes: PayloadBytes,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
}

/// A container to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerRequest {
    /// Whose container it is.
    pub task: TaskId,
    /// `<service>.<slot>.<task id>`, as Swarm names them.
    pub name: String,
    /// The spec's labels and ours, by which a restarted agent finds its containers again.
    pub labels: BTreeMap<String, String>,
    /// What runs; its templates are filled in.
    pub spec: ContainerSpec,
    /// Its secrets and configs.
    pub files: Vec<FileRequest>,
    /// Its endpoints; the first is the gateway endpoint.
    pub endpoints: Vec<EndpointRequest>,
}

/// A task that cannot get a container from this view.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unprepared {
    /// Its network is not in the view.
    #[error("network {0} not found")]
    NoNetwork(NetworkId),
    /// The view does not have the bytes.
    #[error("{kind} {name} not found")]
    NoPayload {
        /// Secret or config.
        kind: PayloadKind,
        /// Its name.
        name: String,
    },
    /// A template has no value here.
    #[error("cannot expand {what}: {why}")]
    Template {
        /// Where it stands.
        what: String,
        /// What is missing, in words.
        why: String,
    },
    /// Its address does not fit a prefix (an IPv4 address in an IPv6 network, or the other way round).
    #[error("address {addr} is not in subnet {subnet} of network {network}")]
    OutsideSubnet {
        /// The network.
        network: NetworkId,
        /// The task's address.
        addr: IpAddr,
        /// The network's subnet.
        subnet: IpNet,
    },
}

/// Derives the container of `task` from the node's view.
pub fn container_request(view: &NodeView, task: &Task, facts: NodeFacts) -> Result<ContainerRequest, Unprepared> {
    let context = Context { view, task, facts };
    let endpoints = task
        .attachments
        .iter()
        .enumerate()
        .map(|(position, attachment)| endpoint(view, attachment.network, attachment.addr, position == 0))
        .collect::<Result<_, _>>()?;
    Ok(ContainerRequest {
        task: task.id,
        name: format!("{}.{}", task.name(), task.id),
        labels: labels(view, task),
        spec: spec(&context)?,
        files: task
            .container
            .payloads()
            .map(|(kind, file)| self::file(&context, kind, file))
            .collect::<Result<_, _>>()?,
        endpoints,
    })
}

/// The host name that the task's container has, if its spec says one.
pub fn host_name(view: &NodeView, task: &Task, facts: NodeFacts) -> Option<String> {
    let context = Context { view, task, facts };
    context.expand(task.container.hostname.as_deref()?).ok()
}

fn spec(context: &Context<'_>) -> Result<ContainerSpec, Unprepared> {
    let mut spec = ContainerSpec::clone(&context.task.container);
    for text in spec.templates_mut() {
        let expanded = context.expand(text).map_err(|why| Unprepared::Template {
            what: format!("\"{text}\""),
            why,
        })?;
        *text = expanded;
    }
    spec.env.extend(resources(&context.task.generic_resources));
    Ok(spec)
}

/// Which resources with operators' names the task was given, as Swarm has it: `DOCKER_RESOURCE_GPU=UUID1,UUID2`.
fn resources(given: &[GenericResource]) -> impl Iterator<Item = String> {
    let mut by_kind: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for resource in given {
        let value = match resource {
            GenericResource::Discrete { amount, .. } => amount.to_string(),
            GenericResource::Named { value, .. } => value.clone(),
        };
        by_kind.entry(resource.kind().to_uppercase()).or_default().push(value);
    }
    by_kind
        .into_iter()
        .map(|(kind, values)| format!("DOCKER_RESOURCE_{kind}={}", values.join(",")))
}

fn file(context: &Context<'_>, kind: PayloadKind, file: &PayloadRef) -> Result<FileRequest, Unprepared> {
    let missing = || Unprepared::NoPayload {
        kind,
        name: file.name.to_string(),
    };
    let payload = context.view.payload(file.id).ok_or_else(missing)?;
    let unfit = |why| Unprepared::Template {
        what: format!("{kind} {}", file.name),
        why,
    };
    let bytes = if payload.templated {
        let text = context.expand_payload(payload.bytes.as_bytes()).map_err(unfit)?;
        PayloadBytes::new(text.as_bytes())
    } else {
        payload.bytes.clone()
    };
    let number = |text: &str| text.parse().map_err(|_| unfit(format!("{text} is no uid or gid")));
    Ok(FileRequest {
        path: file.path(kind),
        bytes,
        uid: number(&file.uid)?,
        gid: number(&file.gid)?,
        mode: file.mode,
    })
}

fn endpoint(view: &NodeView, id: NetworkId, addr: IpAddr, gateway: bool) -> Result<EndpointRequest, Unprepared> {
    let network = view
        .networks
        .iter()
        .find(|n| n.id == id)
        .ok_or(Unprepared::NoNetwork(id))?;
    let outside = || Unprepared::OutsideSubnet {
        network: id,
        addr,
        subnet: network.subnet,
    };
    if !network.subnet.contains(&addr) {
        return Err(outside());
    }
    Ok(EndpointRequest {
        network: id,
        address: IpNet::new(addr, network.subnet.prefix_len()).map_err(|_| outside())?,
        mac: Mac::of(addr),
        gateway: gateway.then_some(network.gateway),
    })
}

fn labels(view: &NodeView, task: &Task) -> BTreeMap<String, String> {
    let mut labels = task.container.labels.clone();
    for (name, value) in [
        ("com.docker.swarm.node.id", view.node.to_string()),
        ("com.docker.swarm.service.id", task.service.to_string()),
        ("com.docker.swarm.service.name", task.service_name.to_string()),
        ("com.docker.swarm.task", String::new()),
        ("com.docker.swarm.task.id", task.id.to_string()),
        ("com.docker.swarm.task.name", format!("{}.{}", task.name(), task.id)),
        (TASK_LABEL, task.id.to_string()),
    ] {
        labels.insert(name.to_owned(), value);
    }
    labels
}

/// Label that marks a container as ours; its value is the task id.
pub const TASK_LABEL: &str = "netctl.task";

#[cfg(test)]
mod tests {
    use super::super::fixture::{task, view};
    use super::*;

    const FACTS: NodeFacts = NodeFacts {
        os: "linux",
        arch: "x86_64",
    };

    fn container_request(view: &NodeView, task: &Task) -> Result<ContainerRequest, Unprepared> {
        super::container_request(view, task, FACTS)
    }

    #[test]
    fn templates_are_filled_in_and_files_have_their_bytes() {
        let (mut view, mut task) = (view(), task(1));
        let id = model::PayloadId::from_bits(5);
        let container = std::sync::Arc::make_mut(&mut task.container);
        container.hostname = Some("h{{.Task.Slot}}".to_owned());
        container.env = vec!["A={{index .Service.Labels \"a\"}}".to_owned()];
        container.secrets = vec![PayloadRef::of(id, "db".parse().unwrap())];
        let missing = super::container_request(&view, &task, FACTS).unwrap_err().to_string();
        assert!(missing.ends_with("service web has no label \"a\""), "{missing}");
        task.service_labels = std::sync::Arc::new([("a".to_owned(), "b".to_owned())].into());
        let absent = container_request(&view, &task).unwrap_err();
        assert_eq!(absent.to_string(), "secret db not found");
        view.payloads = vec![model::PayloadView {
            id,
            kind: PayloadKind::Secret,
            templated: true,
            bytes: PayloadBytes::new(b"{{.Service.Name}}"),
        }];
        let request = container_request(&view, &task).unwrap();
        assert_eq!(
            (request.spec.hostname.as_deref(), request.spec.env),
            (Some("h1"), vec!["A=b".to_owned()])
        );
        let file = &request.files[0];
        assert_eq!(
            (file.path.as_str(), file.bytes.as_bytes(), file.mode),
            ("/run/secrets/db", &b"web"[..], 0o444)
        );
    }

    #[test]
    fn the_first_endpoint_alone_has_the_gateway() {
        let view = view();
        let request = container_request(&view, &task(1)).unwrap();
        let gateways: Vec<_> = request.endpoints.iter().map(|e| e.gateway).collect();
        assert_eq!(gateways, [Some(view.networks[0].gateway), None]);
        assert_eq!(request.endpoints[0].address.to_string(), "10.1.0.5/24");
        assert_eq!(request.endpoints[0].mac.to_string(), "02:42:0a:01:00:05");
    }

    #[test]
    fn names_and_labels_are_swarms_and_users_cannot_forge_ours() {
        let mut task = task(1);
        let container = std::sync::Arc::make_mut(&mut task.container);
        container.labels.insert(TASK_LABEL.to_owned(), "forged".to_owned());
        let request = container_request(&view(), &task).unwrap();
        assert_eq!(request.name, format!("web.1.{}", task.id));
        assert_eq!(request.labels[TASK_LABEL], task.id.to_string());
        assert_eq!(request.labels["com.docker.swarm.service.name"], "web");
    }

    #[test]
    fn a_task_is_told_which_resources_it_was_given() {
        let mut task = task(1);
        std::sync::Arc::make_mut(&mut task.container).env = vec!["A=b".to_owned()];
        task.generic_resources = ["gpu=b", "gpu=a", "SSD=2"].map(|text| text.parse().unwrap()).to_vec();
        let request = container_request(&view(), &task).unwrap();
        let wanted = ["A=b", "DOCKER_RESOURCE_GPU=b,a", "DOCKER_RESOURCE_SSD=2"];
        assert_eq!(request.spec.env, wanted);
    }

    #[test]
    fn a_network_missing_in_the_view_is_named() {
        let mut view = view();
        let gone = view.networks.remove(1);
        assert_eq!(container_request(&view, &task(1)), Err(Unprepared::NoNetwork(gone.id)));
    }
}
