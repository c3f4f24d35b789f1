//! Makes a container.

use std::sync::atomic::Ordering;

use bollard::{Docker, errors::Error, query_parameters::CreateContainerOptionsBuilder};
use model::{MountKind, PullPolicy};
use plan::container::ContainerRequest;

use super::{
    DockerRuntime, RuntimeError,
    body::{body, unfit_mount},
};
use crate::runtime::Waiter;

/// See [`crate::gate`].
const REMAPPED: &str = "the Docker daemon remaps the users of containers (userns-remap), and such containers cannot be given \
                        their network: take the option out of its configuration";

impl DockerRuntime {
    pub(super) async fn create_container(
        &self,
        request: &ContainerRequest,
        waiter: Waiter<'_>,
    ) -> Result<String, RuntimeError> {
        let unfit = |docker: Docker| {
            let version = docker.client_version();
            unfit_mount(&request.spec, (version.major_version, version.minor_version))
        };
        // What was agreed on may be from before the engine was replaced.
        if unfit(self.docker().await?).is_some()
            && let Some(why) = unfit(self.agree().await?)
        {
            return Err(RuntimeError::Engine(why));
        }
        if self.remaps_users.load(Ordering::Relaxed) && !request.endpoints.is_empty() {
            return Err(RuntimeError::Engine(REMAPPED.to_owned()));
        }
        self.create_from_images(request, waiter).await
    }

    /// Most images are here: the engine says so when one is not, and only then, or to pull it always, is asked.
    async fn create_from_images(&self, request: &ContainerRequest, waiter: Waiter<'_>) -> Result<String, RuntimeError> {
        let spec = &request.spec;
        let mounted = |mount: &model::Mount| matches!(mount.kind, MountKind::Image { .. });
        if spec.pull == PullPolicy::Always || spec.mounts.iter().any(mounted) {
            self.ensure_images(spec, waiter).await?;
        }
        match self.create_or_replace(request).await {
            Err(RuntimeError::NotFound(_)) => {
                self.ensure_images(spec, waiter).await?;
                self.create_or_replace(request).await
            }
            outcome => outcome,
        }
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
}
