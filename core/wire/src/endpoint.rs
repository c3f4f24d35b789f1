//! Endpoints, and the encoding of one that all nodes in its network are told.

use model::{EndpointView, NetworkId, Row, TaskId};
use prost::{Message as _, bytes::Bytes};

use crate::{
    WireError, pb,
    scalar::{narrow, parse},
};

impl From<EndpointView> for pb::EndpointView {
    fn from(endpoint: EndpointView) -> Self {
        Self {
            task: endpoint.task.to_string(),
            service: endpoint.service.to_string(),
            slot: endpoint.slot.get(),
            network: endpoint.network.to_string(),
            addr: endpoint.addr.to_string(),
            node: endpoint.node.to_string(),
            gateway: endpoint.gateway,
            serving: endpoint.serving,
            spec_version: endpoint.spec_version,
        }
    }
}

impl TryFrom<pb::EndpointView> for EndpointView {
    type Error = WireError;
    fn try_from(endpoint: pb::EndpointView) -> Result<Self, WireError> {
        Ok(Self {
            task: parse("task", &endpoint.task)?,
            service: parse("service", &endpoint.service)?,
            slot: narrow("slot", endpoint.slot)?,
            network: parse("network", &endpoint.network)?,
            addr: parse("addr", &endpoint.addr)?,
            node: parse("node", &endpoint.node)?,
            gateway: endpoint.gateway,
            serving: endpoint.serving,
            spec_version: endpoint.spec_version,
        })
    }
}

/// An [`EndpointView`] as it travels: as many messages as carry it share its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedEndpoint {
    key: (NetworkId, TaskId),
    digest: u64,
    bytes: Bytes,
}

impl From<EndpointView> for EncodedEndpoint {
    fn from(endpoint: EndpointView) -> Self {
        let (key, digest) = (endpoint.key(), endpoint.digest());
        let bytes = pb::EndpointView::from(endpoint).encode_to_vec().into();
        Self { key, digest, bytes }
    }
}

impl From<EncodedEndpoint> for Bytes {
    fn from(endpoint: EncodedEndpoint) -> Self {
        endpoint.bytes
    }
}

/// What the bytes say.
pub fn decoded(bytes: Bytes) -> Result<EndpointView, WireError> {
    let endpoint = pb::EndpointView::decode(bytes).map_err(|why| WireError::new("message", why))?;
    endpoint.try_into()
}

impl Row for EncodedEndpoint {
    type Key = (NetworkId, TaskId);

    fn key(&self) -> (NetworkId, TaskId) {
        self.key
    }

    fn digest(&self) -> u64 {
        self.digest
    }
}
