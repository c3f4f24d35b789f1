//! Makes a container with all its endpoints.
//!
//! The first network is given at creation, further ones are connected before the start: engines below API 1.44 take no
//! more than one at creation, and later ones accept this order too.

use bollard::{errors::Error, models::NetworkConnectRequest, query_parameters::CreateContainerOptionsBuilder};
use model::{MountKind, PullPolicy, TaskId};
use plan::container::{ContainerRequest, EndpointRequest};

use super::{
    DockerRuntime, RuntimeError,
    body::{body, settings, unfit_mount},
    networks::network_name,
};
use crate::runtime::Say;

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
        self.ensure_networks(request).await?;
        let id = self.create_from_images(request, say).await?;
        for endpoint in request.endpoints.iter().skip(1) {
            if let Err(error) = self.attach(&id, request.task, endpoint).await {
                // It may be the network that is not there any more.
                self.forget_networks();
                self.remove_forced(&id).await?;
                return Err(error);
            }
        }
        Ok(id)
    }

    /// Most images are here: the engine says so when one is not, and only then, or to pull it always, is asked.
    async fn create_from_images(&self, request: &ContainerRequest, say: Say<'_>) -> Result<String, RuntimeError> {
        let spec = &request.spec;
        let mounted = |mount: &model::Mount| matches!(mount.kind, MountKind::Image { .. });
        if spec.pull == PullPolicy::Always || spec.mounts.iter().any(mounted) {
            self.ensure_images(spec, say).await?;
        }
        match self.create_or_replace(request).await {
            Err(RuntimeError::NotFound(_)) => {
                self.forget_networks();
                self.ensure_networks(request).await?;
                self.ensure_images(spec, say).await?;
                self.create_or_replace(request).await
            }
            outcome => outcome,
        }
    }

    async fn ensure_networks(&self, request: &ContainerRequest) -> Result<(), RuntimeError> {
        for endpoint in &request.endpoints {
            self.ensure_network(endpoint.network).await?;
        }
        Ok(())
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
}
