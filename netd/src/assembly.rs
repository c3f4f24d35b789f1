//! The real parts of a node: the manager, the agent over the local engine and kernel, this host's addresses and ports.

use std::sync::{Arc, Mutex, PoisonError};

use agent::{
    Agent, AgentConfig, AgentHandle,
    datapath::DatapathPaths,
    identity::{self, Identity, JoinRequest},
    network::Network,
    reconcile,
    runtime::{EngineFacts, Runtime, docker::DockerRuntime},
};
use anyhow::{Context, Result};
use futures::future::BoxFuture;
use model::{Availability, ClusterSettings};

use crate::{
    advertise::{self, HostAddr},
    config::Config,
    parts::{AgentPart, AgentStatus, ManagerPart, Parts},
    preflight::{self, Unfit},
    state::NodeState,
};

/// Makes parts as the daemon's configuration says.
pub struct Assembly {
    config: Config,
}

impl Assembly {
    /// For this daemon.
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    async fn start_agent(&self, place: &NodeState, identity: &Identity) -> Result<Arc<dyn AgentPart>> {
        let runtime = DockerRuntime::connect(&self.config.docker_host).await?;
        let network = reconcile::start(DatapathPaths {
            bpffs: self.config.bpffs.clone(),
            cgroup: self.config.cgroup.clone(),
        })?;
        let config = AgentConfig {
            data_root: self.config.data_root.clone(),
            docker_host: self.config.docker_host.clone(),
            plugin_dir: self.config.plugin_dir.clone(),
            bpffs: self.config.bpffs.clone(),
            cgroup: self.config.cgroup.clone(),
            identity: identity.clone(),
            managers: place.managers.iter().map(ToString::to_string).collect(),
            vtep: place.data_path_addr,
        };
        let network: Arc<dyn Network> = Arc::new(network);
        let handle = Agent::start_with(config, Arc::new(runtime), network.clone()).await?;
        Ok(Arc::new(RunningAgent {
            handle: Mutex::new(Some(handle)),
            network,
        }))
    }
}

impl Parts for Assembly {
    fn engine(&self) -> BoxFuture<'_, Result<EngineFacts>> {
        Box::pin(async {
            let engine = DockerRuntime::connect(&self.config.docker_host).await?;
            Ok(engine.facts().await?)
        })
    }

    fn addresses(&self) -> Result<Vec<HostAddr>> {
        advertise::of_this_host().context("cannot list the addresses of this host")
    }

    fn fit(&self, place: &NodeState, data_port: u16, data_port_hint: &'static str) -> Result<(), Unfit> {
        preflight::version(&preflight::release())?;
        preflight::capabilities()?;
        preflight::control_port(place.listen_addr)?;
        preflight::data_port(data_port, data_port_hint)
    }

    fn bootstrap<'a>(
        &'a self,
        _place: &'a NodeState,
        _settings: ClusterSettings,
        _availability: Availability,
    ) -> BoxFuture<'a, Result<(Arc<dyn ManagerPart>, Identity)>> {
        Box::pin(async { anyhow::bail!("not built yet: manager") })
    }

    fn join<'a>(&'a self, request: &'a JoinRequest) -> BoxFuture<'a, Result<Identity>> {
        Box::pin(async { Ok(identity::join(request).await?) })
    }

    fn keep(&self, identity: &Identity) -> Result<()> {
        Ok(identity.save(&self.config.data_root)?)
    }

    fn identity(&self) -> Result<Option<Identity>> {
        Ok(Identity::load(&self.config.data_root)?)
    }

    fn manager<'a>(
        &'a self,
        _place: &'a NodeState,
        _identity: &'a Identity,
    ) -> BoxFuture<'a, Result<Arc<dyn ManagerPart>>> {
        Box::pin(async { anyhow::bail!("not built yet: manager") })
    }

    fn agent<'a>(&'a self, place: &'a NodeState, identity: &'a Identity) -> BoxFuture<'a, Result<Arc<dyn AgentPart>>> {
        Box::pin(self.start_agent(place, identity))
    }
}

/// An agent until it is stopped or has left.
struct RunningAgent {
    handle: Mutex<Option<AgentHandle>>,
    network: Arc<dyn Network>,
}

impl RunningAgent {
    fn take(&self) -> Option<AgentHandle> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl AgentPart for RunningAgent {
    fn status(&self) -> AgentStatus {
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(status) = handle.as_ref().map(AgentHandle::status) else {
            return AgentStatus::default();
        };
        AgentStatus {
            managers: status.managers.into_iter().map(|manager| manager.addr).collect(),
            error: status.session.error,
            warnings: status.warnings,
        }
    }

    fn counts(&self) -> BoxFuture<'_, Result<Vec<(String, u64)>>> {
        Box::pin(async { Ok(self.network.counts().await?) })
    }

    fn leave(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async {
            let Some(handle) = self.take() else { return Ok(()) };
            let left = handle.leave().await;
            if left.is_err() {
                // Without an engine the kernel can be cleaned all the same.
                self.network.detach_all().await?;
            }
            Ok(left?)
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if let Some(handle) = self.take() {
                handle.shutdown().await;
            }
        })
    }
}
