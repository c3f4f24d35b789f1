//! Networks, as users ask for them.

use control::{find_network, plan_create_network};
use model::{Network, NetworkId, NetworkSpec};
use store::Command;
use tonic::Status;
use wire::pb;

use super::{Api, refusal, removed_before, request_id};
use crate::mint;

impl Api {
    pub(super) async fn create_network(&self, request: pb::CreateNetworkRequest) -> Result<pb::Network, Status> {
        let id = request_id(&request.request)?;
        let spec = NetworkSpec::try_from(request.spec.unwrap_or_default()).map_err(|why| refusal::invalid(&why))?;
        let network = NetworkId::from_bits(mint::object_of(id, "network"));
        let at = mint::now();
        let view = self
            .queue
            .change(id, move |view| plan_create_network(view, network, at, spec.clone()))
            .await?;
        let found = view.network(network).cloned();
        found
            .map(Into::into)
            .ok_or_else(|| Status::aborted("the network was removed at the same time"))
    }

    pub(super) async fn list_networks(
        &self,
        request: pb::ListNetworksRequest,
    ) -> Result<pb::ListNetworksResponse, Status> {
        let view = self.read().await?;
        let networks: Vec<Network> = if request.refs.is_empty() {
            view.networks().cloned().collect()
        } else {
            let found = request.refs.iter().map(|what| find_network(&view, what).cloned());
            found.collect::<Result<_, _>>().map_err(|why| refusal::refused(&why))?
        };
        Ok(pb::ListNetworksResponse {
            networks: networks.into_iter().map(Into::into).collect(),
        })
    }

    pub(super) async fn remove_network(&self, request: pb::RemoveRequest) -> Result<pb::RemoveResponse, Status> {
        let id = request_id(&request.request)?;
        let view = self.read().await?;
        if let Some(before) = removed_before(&view, id, &request.r#ref) {
            return before;
        }
        let found = find_network(&view, &request.r#ref).map_err(|why| refusal::refused(&why))?;
        if found.spec.ingress {
            // There is no way yet to make another.
            return Err(Status::unimplemented(format!(
                "network {} carries published ports: removing the ingress network is not built yet",
                found.spec.name
            )));
        }
        let network = found.id;
        self.queue
            .change(id, move |_| Ok(Command::RemoveNetwork { id: network }))
            .await?;
        Ok(pb::RemoveResponse {
            id: network.to_string(),
        })
    }
}
