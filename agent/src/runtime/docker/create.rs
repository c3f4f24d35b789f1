//! Makes a container with all its endpoints.
//!
//! The first network is given at creation, further ones are connected before the start: engines below API 1.44 take no
//! more than one at creation, and later ones accept this order too.

use std::collections::HashMap;

use bollard::{
    errors::Error,
    models::{Ipam, NetworkConnectRequest, NetworkCreateRequest},
    query_parameters::{CreateContainerOptionsBuilder, InspectNetworkOptions},
};
use model::{NetworkId, TaskId};
use plan::container::{ContainerRequest, EndpointRequest};

use super::{
    DockerRuntime, RuntimeError,
    body::{body, settings, unfit_mount},
    network_name,
};
use crate::{plugin, runtime::Say};

impl DockerRuntime {
    pub(super) async fn create_container(
        &self,
        request: &ContainerRequest,
        say: Say<'_>,
    ) -> Result<String, RuntimeError> {
        let version = self.docker().await?.client_version();
        if let Some(why) = unfit_mount(&request.spec, (version.major_version, version.minor_version)) {
            return Err(RuntimeError::Engine(why));
        }
        self.ensure_images(&request.spec, say).await?;
        for endpoint in &request.endpoints {
            self.ensure_network(endpoint.network).await?;
        }
        let id = self.create_or_replace(request).await?;
        for endpoint in request.endpoints.iter().skip(1) {
            if let Err(error) = self.attach(&id, request.task, endpoint).await {
                self.remove_forced(&id).await?;
                return Err(error);
            }
        }
        Ok(id)
    }

    /// A container of this name can only be a half-made one of the same task: the name holds the task id.
    async fn create_or_replace(&self, request: &ContainerRequest) -> Result<String, RuntimeError> {
        let docker = self.docker().await?;
        let create = || {
            let options = CreateContainerOptionsBuilder::default().name(&request.name).build();
            docker.create_container(Some(options), body(request))
        };
        let made = match create().await {
            Err(Error::DockerResponseServerError { status_code: 409, .. }) => {
                self.remove_forced(&request.name).await?;
                create().await
            }
            other => other,
        };
        Ok(made.map_err(|e| self.fault(e))?.id)
    }

    async fn attach(&self, id: &str, task: TaskId, endpoint: &EndpointRequest) -> Result<(), RuntimeError> {
        let connect = NetworkConnectRequest {
            container: id.to_owned(),
            endpoint_config: Some(settings(task, endpoint)),
        };
        let name = network_name(endpoint.network);
        let connected = self.docker().await?.connect_network(&name, connect).await;
        connected.map_err(|e| self.fault(e))
    }

    async fn ensure_network(&self, network: NetworkId) -> Result<(), RuntimeError> {
        let _turn = self.networks.acquire().await;
        let name = network_name(network);
        match self
            .docker()
            .await?
            .inspect_network(&name, None::<InspectNetworkOptions>)
            .await
        {
            Ok(_) => return Ok(()),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
            Err(error) => return Err(self.fault(error)),
        }
        let request = NetworkCreateRequest {
            name,
            driver: Some(plugin::DRIVER.to_owned()),
            // Managers own all addresses: the engine keeps no pool.
            ipam: Some(Ipam {
                driver: Some("null".to_owned()),
                ..Ipam::default()
            }),
            options: Some(HashMap::from([(
                plugin::OPTION_NETWORK.to_owned(),
                network.to_string(),
            )])),
            ..NetworkCreateRequest::default()
        };
        match self.docker().await?.create_network(request).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.fault(error)),
        }
    }
}
