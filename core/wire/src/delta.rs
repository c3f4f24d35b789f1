//! What changes a node's view.

use model::{Changes, EndpointView, NetworkId, Row, TaskId, ViewDelta};
use prost::bytes::Bytes;

use crate::{
    EncodedEndpoint, WireError,
    endpoint::decoded,
    pb,
    scalar::{list, narrow, parse, port, to_list},
};

impl From<(NetworkId, TaskId)> for pb::EndpointKey {
    fn from((network, task): (NetworkId, TaskId)) -> Self {
        Self {
            network: network.to_string(),
            task: task.to_string(),
        }
    }
}

impl TryFrom<pb::EndpointKey> for (NetworkId, TaskId) {
    type Error = WireError;
    fn try_from(key: pb::EndpointKey) -> Result<Self, WireError> {
        Ok((parse("network", &key.network)?, parse("task", &key.task)?))
    }
}

fn to_texts(ids: Vec<impl ToString>) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

fn ids<T: std::str::FromStr<Err = model::Invalid>>(field: &str, texts: &[String]) -> Result<Vec<T>, WireError> {
    texts.iter().map(|text| parse(field, text)).collect()
}

fn endpoints(all: Vec<Bytes>) -> Result<Vec<EndpointView>, WireError> {
    let decoded = all.into_iter().map(decoded);
    let decoded = decoded.collect::<Result<_, WireError>>();
    decoded.map_err(|why| why.within("endpoints"))
}

impl<E> From<ViewDelta<E>> for pb::ViewDelta
where
    E: Row<Key = (NetworkId, TaskId)> + Into<EncodedEndpoint>,
{
    fn from(delta: ViewDelta<E>) -> Self {
        let endpoints = delta.endpoints.put.into_iter().map(Into::into);
        Self {
            base: delta.base,
            seq: delta.seq,
            checksum: delta.checksum,
            data_port: delta.data_port.into(),
            container_mtu: delta.container_mtu.into(),
            cleared: to_texts(delta.cleared),
            peers: to_list(delta.peers.put),
            peers_gone: to_texts(delta.peers.gone),
            networks: to_list(delta.networks.put),
            networks_gone: to_texts(delta.networks.gone),
            tasks: to_list(delta.tasks.put),
            tasks_gone: to_texts(delta.tasks.gone),
            endpoints: endpoints.map(Bytes::from).collect(),
            endpoints_gone: to_list(delta.endpoints.gone),
            services: to_list(delta.services.put),
            services_gone: to_texts(delta.services.gone),
            payloads: to_list(delta.payloads.put),
            payloads_gone: to_texts(delta.payloads.gone),
        }
    }
}

impl TryFrom<pb::ViewDelta> for ViewDelta {
    type Error = WireError;
    fn try_from(delta: pb::ViewDelta) -> Result<Self, WireError> {
        Ok(Self {
            base: delta.base,
            seq: delta.seq,
            checksum: delta.checksum,
            data_port: port("data_port", delta.data_port)?,
            container_mtu: narrow("container_mtu", delta.container_mtu)?,
            cleared: ids("cleared", &delta.cleared)?,
            peers: Changes {
                put: list("peers", delta.peers)?,
                gone: ids("peers_gone", &delta.peers_gone)?,
            },
            networks: Changes {
                put: list("networks", delta.networks)?,
                gone: ids("networks_gone", &delta.networks_gone)?,
            },
            tasks: Changes {
                put: list("tasks", delta.tasks)?,
                gone: ids("tasks_gone", &delta.tasks_gone)?,
            },
            endpoints: Changes {
                put: endpoints(delta.endpoints)?,
                gone: list("endpoints_gone", delta.endpoints_gone)?,
            },
            services: Changes {
                put: list("services", delta.services)?,
                gone: ids("services_gone", &delta.services_gone)?,
            },
            payloads: Changes {
                put: list("payloads", delta.payloads)?,
                gone: ids("payloads_gone", &delta.payloads_gone)?,
            },
        })
    }
}
