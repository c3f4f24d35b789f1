//! Objects of the cluster, read from the manager and turned into the model's types.

use std::collections::BTreeMap;

use model::{Network, NetworkId, Node, NodeId, Payload, PayloadKind, Service, ServiceId, Task};
use tonic::{Code, Status};
use wire::pb;

use crate::{client::Client, failure::Failure, render::Prefixes};

/// "No such" instead of the daemon's words, where a reference finds nothing.
fn missing(kind: &'static str, name: &str) -> impl Fn(Status) -> Failure {
    move |status| match status.code() {
        Code::NotFound => Failure::Missing {
            kind,
            name: name.to_owned(),
        },
        _ => status.into(),
    }
}

fn convert<M: TryFrom<P, Error = wire::WireError>, P>(objects: Vec<P>) -> Result<Vec<M>, Failure> {
    Ok(objects.into_iter().map(M::try_from).collect::<Result<_, _>>()?)
}

fn one<M: TryFrom<P, Error = wire::WireError>, P>(
    objects: Vec<P>,
    kind: &'static str,
    name: &str,
) -> Result<M, Failure> {
    let object = objects.into_iter().next().ok_or_else(|| Failure::Missing {
        kind,
        name: name.to_owned(),
    })?;
    Ok(M::try_from(object)?)
}

/// All services.
pub async fn services(client: &mut Client) -> Result<Vec<Service>, Failure> {
    let answer = client.control.list_services(pb::ListServicesRequest::default()).await?;
    convert(answer.into_inner().services)
}

/// How many tasks the services have and should have, as the managers count them.
pub async fn counts(client: &mut Client) -> Result<BTreeMap<ServiceId, pb::ServiceStatus>, Failure> {
    let answer = client
        .control
        .list_services(pb::ListServicesRequest::default())
        .await?
        .into_inner();
    let mut counts = BTreeMap::new();
    for (service, status) in answer.services.into_iter().zip(answer.statuses) {
        counts.insert(Service::try_from(service)?.id, status);
    }
    Ok(counts)
}

/// The service that `name` refers to.
pub async fn service(client: &mut Client, name: &str) -> Result<Service, Failure> {
    let refs = vec![name.to_owned()];
    let answer = client.control.list_services(pb::ListServicesRequest { refs }).await;
    one(
        answer.map_err(missing("service", name))?.into_inner().services,
        "service",
        name,
    )
}

/// All networks.
pub async fn networks(client: &mut Client) -> Result<Vec<Network>, Failure> {
    let answer = client.control.list_networks(pb::ListNetworksRequest::default()).await?;
    convert(answer.into_inner().networks)
}

/// The network that `name` refers to.
pub async fn network(client: &mut Client, name: &str) -> Result<Network, Failure> {
    let refs = vec![name.to_owned()];
    let answer = client.control.list_networks(pb::ListNetworksRequest { refs }).await;
    one(
        answer.map_err(missing("network", name))?.into_inner().networks,
        "network",
        name,
    )
}

/// Names of all networks by id.
pub async fn network_names(client: &mut Client) -> Result<BTreeMap<NetworkId, String>, Failure> {
    let networks = networks(client).await?.into_iter();
    Ok(networks.map(|network| (network.id, network.spec.name.into())).collect())
}

/// How long the prefixes of all networks are.
pub async fn prefixes(client: &mut Client) -> Result<Prefixes, Failure> {
    let networks = networks(client).await?.into_iter();
    Ok(networks
        .map(|network| (network.id, network.subnet.prefix_len()))
        .collect())
}

/// Nodes, and which of them answers and leads.
pub struct Nodes {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// Id of the one that answers.
    pub self_id: String,
    /// Id of the leader.
    pub leader: String,
    /// Ids of the managers that the leader does not hear, or that have no vote yet.
    pub unreachable: Vec<String>,
    /// What each has of the cluster's authority, by its id.
    pub tls: BTreeMap<String, pb::TlsInfo>,
    /// Whether that is what it is to have.
    pub tls_current: BTreeMap<String, bool>,
}

/// All nodes, or the one that `name` refers to.
pub async fn nodes(client: &mut Client, name: Option<&str>) -> Result<Nodes, Failure> {
    let refs = name.map(str::to_owned).into_iter().collect();
    let answer = client.control.list_nodes(pb::ListNodesRequest { refs }).await;
    let answer = answer.map_err(missing("node", name.unwrap_or_default()))?.into_inner();
    let tls = answer
        .nodes
        .iter()
        .filter_map(|node| Some((node.id.clone(), node.tls.clone()?)));
    let tls = tls.collect();
    let current = answer.nodes.iter();
    let current = current.filter_map(|node| Some((node.id.clone(), node.tls_current?)));
    let tls_current = current.collect();
    let nodes = match name {
        Some(name) => vec![one(answer.nodes, "node", name)?],
        None => convert(answer.nodes)?,
    };
    Ok(Nodes {
        nodes,
        self_id: answer.self_,
        leader: answer.leader,
        unreachable: answer.unreachable,
        tls,
        tls_current,
    })
}

/// Host names by node id; nodes of one name are told apart by their id.
pub async fn hostnames(client: &mut Client) -> Result<BTreeMap<NodeId, String>, Failure> {
    let nodes = nodes(client, None).await?.nodes.into_iter();
    Ok(nodes.map(|node| (node.id, node.hostname())).collect())
}

/// The latest secrets, configs, or both.
pub async fn payloads(client: &mut Client, kind: Option<PayloadKind>) -> Result<Vec<Payload>, Failure> {
    let request = pb::ListPayloadsRequest {
        kind: kind.map_or(0, |kind| pb::PayloadKind::from(kind).into()),
        refs: Vec::new(),
    };
    convert(client.control.list_payloads(request).await?.into_inner().payloads)
}

/// The secret or config that `name` refers to.
pub async fn payload(client: &mut Client, kind: PayloadKind, name: &str) -> Result<Payload, Failure> {
    let request = pb::ListPayloadsRequest {
        kind: pb::PayloadKind::from(kind).into(),
        refs: vec![name.to_owned()],
    };
    let answer = client.control.list_payloads(request).await;
    let word = kind.word();
    one(answer.map_err(missing(word, name))?.into_inner().payloads, word, name)
}

/// Tasks that fulfil the request.
pub async fn tasks(client: &mut Client, request: pb::ListTasksRequest) -> Result<Vec<Task>, Failure> {
    convert(client.control.list_tasks(request).await?.into_inner().tasks)
}

/// Tasks of one service.
pub async fn tasks_of_service(client: &mut Client, name: &str) -> Result<Vec<Task>, Failure> {
    let request = pb::ListTasksRequest {
        services: vec![name.to_owned()],
        ..Default::default()
    };
    let answer = client.control.list_tasks(request).await;
    convert(answer.map_err(missing("service", name))?.into_inner().tasks)
}

/// The task with this id.
pub async fn task(client: &mut Client, name: &str) -> Result<Task, Failure> {
    let request = pb::ListTasksRequest {
        refs: vec![name.to_owned()],
        ..Default::default()
    };
    let answer = client.control.list_tasks(request).await;
    one(answer.map_err(missing("task", name))?.into_inner().tasks, "task", name)
}
