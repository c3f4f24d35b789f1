//! The real parts of a node: the manager, the agent over the local engine and kernel, this host's addresses and ports.

mod running;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use agent::{
    Agent, AgentConfig,
    identity::{self, Identity, JoinRequest},
    runtime::{EngineFacts, Runtime, docker::DockerRuntime},
    session::describe,
};
use anyhow::{Context, Result};
use futures::future::BoxFuture;
use manager::{Backup, Hints, InitParams, Manager, ManagerConfig, ManagerHandle, NodeCredentials};
use model::{Availability, ClusterSettings};
use seal::UnlockKey;
use tokio::sync::watch;

use self::running::{RunningAgent, RunningManager, credentials};
use crate::{
    advertise::{self, HostAddr},
    config::Config,
    parts::{AgentPart, ManagerPart, Parts},
    preflight::{self, Unfit},
    state::NodeState,
};

/// Makes parts as the daemon's configuration says.
pub struct Assembly {
    config: Config,
    /// Where managers may be: what the daemon was started with, and what operators said since.
    hints: watch::Sender<Vec<String>>,
}

impl Assembly {
    /// For this daemon.
    pub fn new(config: Config) -> Self {
        let hints = watch::Sender::new(config.peers.clone());
        Self { config, hints }
    }

    async fn start_agent(&self, place: &NodeState, identity: &Identity) -> Result<Arc<dyn AgentPart>> {
        let config = AgentConfig {
            data_root: self.config.data_root.clone(),
            run_dir: self.config.run_dir.clone(),
            docker_host: self.config.docker_host.clone(),
            bpffs: self.config.bpffs.clone(),
            cgroup: self.config.cgroup.clone(),
            identity: identity.clone(),
            managers: place.managers.iter().map(ToString::to_string).collect(),
            hints: Hints::of(&self.hints),
            addr: place.advertise_addr,
            vtep: place.data_path_addr,
            generic_resources: self.config.generic_resources.clone(),
        };
        Ok(Arc::new(RunningAgent::new(Agent::start(config).await?)))
    }

    fn manager_config(&self, place: &NodeState) -> ManagerConfig {
        ManagerConfig {
            data_root: self.config.data_root.clone(),
            listen_addr: place.listen_addr,
            advertise_addr: place.advertise_addr,
            hints: Hints::of(&self.hints),
        }
    }

    /// What a cluster begins with on this node.
    async fn init_params(&self, place: &NodeState, init: InitParams) -> Result<InitParams> {
        let runtime = DockerRuntime::connect(&self.config.docker_host).await?;
        let told = describe::Told {
            vtep: place.data_path_addr,
            generic_resources: self.config.generic_resources.clone(),
        };
        Ok(InitParams {
            // No network may overlap what this host routes; the agent could say so only later.
            description: Some(describe::now(&runtime, &told).await?),
            ..init
        })
    }

    async fn first_manager(&self, place: &NodeState, init: InitParams) -> Result<(Arc<dyn ManagerPart>, Identity)> {
        let init = self.init_params(place, init).await?;
        founded(Manager::bootstrap(self.manager_config(place), init).await?).await
    }

    async fn restored_manager(
        &self,
        place: &NodeState,
        backup: Backup,
        availability: Availability,
    ) -> Result<(Arc<dyn ManagerPart>, Identity)> {
        let init = InitParams {
            availability,
            ..InitParams::new()
        };
        let init = self.init_params(place, init).await?;
        founded(Manager::restore(self.manager_config(place), backup, init).await?).await
    }

    async fn old_manager(
        &self,
        place: &NodeState,
        identity: &Identity,
        unlock: Option<UnlockKey>,
    ) -> Result<Arc<dyn ManagerPart>> {
        let handle = Manager::start(self.manager_config(place), credentials(identity), unlock).await?;
        let manager = RunningManager::resumed(handle, identity, &self.config.data_root);
        Ok(Arc::new(manager.await?))
    }
}

/// A manager that has just made its cluster, and who its node is.
async fn founded((handle, credentials): (ManagerHandle, NodeCredentials)) -> Result<(Arc<dyn ManagerPart>, Identity)> {
    let manager = RunningManager::new(handle);
    match Identity::from_pem(credentials.certificate_pem, credentials.key_pem, credentials.root_pem) {
        Ok(identity) => Ok((Arc::new(manager), identity)),
        Err(error) => {
            manager.stop().await;
            Err(error.into())
        }
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

    fn is_in_force(&self, identity: &Identity) -> bool {
        identity.is_in_force()
    }

    fn hint(&self, peers: &[String]) {
        let all = peers.iter().chain(&self.config.peers).cloned();
        self.hints.send_replace(all.collect());
    }

    fn source(&self, remote: SocketAddr) -> Option<IpAddr> {
        advertise::source(remote)
    }

    fn fit(&self, place: &NodeState, data_port: u16, data_port_hint: &'static str) -> Result<(), Unfit> {
        preflight::version(&preflight::release())?;
        preflight::capabilities()?;
        preflight::control_port(place.listen_addr)?;
        preflight::data_port(data_port, data_port_hint)
    }

    fn bootstrap<'a>(
        &'a self,
        place: &'a NodeState,
        init: InitParams,
    ) -> BoxFuture<'a, Result<(Arc<dyn ManagerPart>, Identity)>> {
        Box::pin(self.first_manager(place, init))
    }

    fn data_port<'a>(&'a self, remote: &'a str) -> BoxFuture<'a, Result<u16>> {
        Box::pin(async {
            let port = identity::data_port(remote).await?;
            Ok(port.unwrap_or(ClusterSettings::default().data_port))
        })
    }

    fn join<'a>(&'a self, request: &'a JoinRequest) -> BoxFuture<'a, Result<Identity>> {
        Box::pin(async { Ok(identity::join(request).await?) })
    }

    fn keep(&self, identity: &Identity) -> Result<()> {
        // The agent, once it runs, seals it if it has to.
        Ok(identity.save(&self.config.data_root, None)?)
    }

    fn identity(&self, unlock: Option<&UnlockKey>) -> Result<Option<Identity>> {
        let found = Identity::load(&self.config.data_root)?;
        let Some(sealed) = found.as_ref().filter(|identity| identity.is_sealed()) else {
            return Ok(found);
        };
        match Manager::data_keys(&self.config.data_root, unlock) {
            Ok(keys) => Ok(Some(sealed.clone().opened(&keys)?)),
            // The manager says why; the agent goes on with what it has.
            Err(_) => Ok(found),
        }
    }

    fn manager<'a>(
        &'a self,
        place: &'a NodeState,
        identity: &'a Identity,
        unlock: Option<UnlockKey>,
    ) -> BoxFuture<'a, Result<Arc<dyn ManagerPart>>> {
        Box::pin(self.old_manager(place, identity, unlock))
    }

    fn new_manager<'a>(
        &'a self,
        place: &'a NodeState,
        identity: &'a Identity,
        member: u64,
    ) -> BoxFuture<'a, Result<Arc<dyn ManagerPart>>> {
        Box::pin(async move {
            let handle = Manager::join(self.manager_config(place), credentials(identity), member).await?;
            let manager: Arc<dyn ManagerPart> = Arc::new(RunningManager::new(handle));
            Ok(manager)
        })
    }

    fn sole_manager<'a>(
        &'a self,
        place: &'a NodeState,
        identity: &'a Identity,
        unlock: Option<UnlockKey>,
    ) -> BoxFuture<'a, Result<Arc<dyn ManagerPart>>> {
        Box::pin(async move {
            let started = Manager::force_new_cluster(self.manager_config(place), credentials(identity), unlock);
            let manager = RunningManager::resumed(started.await?, identity, &self.config.data_root).await?;
            let manager: Arc<dyn ManagerPart> = Arc::new(manager);
            Ok(manager)
        })
    }

    fn restore<'a>(
        &'a self,
        place: &'a NodeState,
        backup: Backup,
        availability: Availability,
    ) -> BoxFuture<'a, Result<(Arc<dyn ManagerPart>, Identity)>> {
        Box::pin(self.restored_manager(place, backup, availability))
    }

    fn agent<'a>(&'a self, place: &'a NodeState, identity: &'a Identity) -> BoxFuture<'a, Result<Arc<dyn AgentPart>>> {
        Box::pin(self.start_agent(place, identity))
    }
}
