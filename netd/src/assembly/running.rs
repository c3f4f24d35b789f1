//! A running manager and a running agent as the node's owner sees them. Both can be ended once; asked afterwards they
//! have nothing to say.

use std::{
    future::pending,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use agent::{
    AgentHandle,
    identity::{Identity, IdentityError},
    network::Network,
    session::{Calling, Manager as KnownManager},
};
use anyhow::Result;
use futures::future::BoxFuture;
use manager::{ManagerHandle, NodeCredentials};
use model::Role;
use seal::{KeyId, Keys, UnlockKey};
use tokio::sync::watch;
use tonic::service::Routes;

use crate::parts::{AgentPart, AgentStatus, ManagerPart, Summary};

/// A manager until it is stopped.
pub struct RunningManager {
    handle: Mutex<Option<ManagerHandle>>,
    signed: Option<Identity>,
}

impl RunningManager {
    /// Wraps what the manager's start gave.
    pub fn new(handle: ManagerHandle) -> Self {
        Self {
            handle: Mutex::new(Some(handle)),
            signed: None,
        }
    }

    /// One of a node that was known as `given`. Where it has signed itself another certificate that one is on the disk before
    /// anybody has it, its key sealed if the log is.
    pub async fn resumed(handle: ManagerHandle, given: &Identity, data_root: &Path) -> Result<Self> {
        match signed(&handle, given, data_root) {
            Ok(signed) => Ok(Self {
                handle: Mutex::new(Some(handle)),
                signed,
            }),
            Err(error) => {
                handle.shutdown().await;
                Err(error.into())
            }
        }
    }

    fn with<T>(&self, ask: impl FnOnce(&ManagerHandle) -> T) -> Option<T> {
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
        handle.as_ref().map(ask)
    }
}

fn signed(handle: &ManagerHandle, given: &Identity, data_root: &Path) -> Result<Option<Identity>, IdentityError> {
    let shown = handle.credentials();
    if shown.certificate_pem == given.certificate_pem {
        return Ok(None);
    }
    let identity = Identity::from_pem(shown.certificate_pem, shown.key_pem, shown.root_pem)?;
    identity.save(data_root, handle.cover().as_deref())?;
    Ok(Some(identity))
}

/// The agent's identity in the manager's words.
pub fn credentials(identity: &Identity) -> NodeCredentials {
    NodeCredentials {
        node: identity.node,
        cluster: identity.cluster,
        role: identity.role,
        certificate_pem: identity.certificate_pem.clone(),
        key_pem: identity.key_pem.clone(),
        root_pem: identity.ca_pem.clone(),
    }
}

fn summary(handle: &ManagerHandle) -> Summary {
    let view = handle.view();
    let managers = view.managers().filter(|node| node.spec.role == Role::Manager);
    let addrs: Vec<_> = managers.map(|node| node.manager_addr).collect();
    let settings = view
        .cluster()
        .map(|cluster| cluster.settings.clone())
        .unwrap_or_default();
    Summary {
        key_storage: handle.key_storage(),
        tls: handle.tls_info(),
        nodes: u32::try_from(view.nodes().count()).unwrap_or(u32::MAX),
        managers: u32::try_from(addrs.len()).unwrap_or(u32::MAX),
        manager_addrs: addrs.iter().flatten().map(ToString::to_string).collect(),
        settings,
    }
}

impl ManagerPart for RunningManager {
    fn signed(&self) -> Option<Identity> {
        self.signed.clone()
    }

    fn routes(&self) -> Routes {
        self.with(ManagerHandle::local_routes).unwrap_or_default()
    }

    fn summary(&self) -> Summary {
        self.with(summary).unwrap_or_default()
    }

    fn worker_token(&self) -> Option<String> {
        self.with(|handle| handle.join_token(Role::Worker)).flatten()
    }

    fn unlock_key(&self) -> String {
        let key = self.with(|handle| handle.unlock_key().borrow().as_ref().map(ToString::to_string));
        key.flatten().unwrap_or_default()
    }

    fn lock(&self) -> watch::Receiver<Option<UnlockKey>> {
        self.with(ManagerHandle::unlock_key)
            .unwrap_or_else(|| watch::channel(None).1)
    }

    fn cover(&self) -> Option<Arc<Keys>> {
        self.with(ManagerHandle::cover).flatten()
    }

    fn covered(&self, under: Option<KeyId>) {
        self.with(|handle| handle.covered(under));
    }

    fn identify(&self, identity: &Identity) -> Result<()> {
        self.with(|handle| handle.set_credentials(credentials(identity)))
            .transpose()?;
        Ok(())
    }

    fn member(&self) -> u64 {
        self.with(ManagerHandle::member).unwrap_or_default()
    }

    fn tell(&self, managers: &[KnownManager]) {
        let known = managers.iter().filter_map(|known| {
            let (member, node) = known.member?;
            let addr = known.addr.parse().ok()?;
            Some(manager::KnownManager { member, node, addr })
        });
        self.with(|handle| handle.tell_managers(known.collect()));
    }

    fn has_majority(&self) -> BoxFuture<'_, Result<bool>> {
        let asked = self.with(ManagerHandle::has_majority);
        Box::pin(async {
            match asked {
                Some(asked) => Ok(asked.await?),
                None => Ok(false),
            }
        })
    }

    fn peers(&self) -> Vec<String> {
        let others = |handle: &ManagerHandle| {
            let view = handle.view();
            let others = view.managers().filter(|node| node.id != handle.node());
            others.map(model::Node::hostname).collect()
        };
        self.with(others).unwrap_or_default()
    }

    fn removed(&self) -> BoxFuture<'static, ()> {
        match self.with(ManagerHandle::removed) {
            Some(removed) => Box::pin(removed),
            None => Box::pin(pending()),
        }
    }

    fn retire(&self) -> BoxFuture<'_, Result<()>> {
        let retired = self.with(ManagerHandle::retire);
        Box::pin(async {
            match retired {
                Some(retired) => Ok(retired.await?),
                None => Ok(()),
            }
        })
    }

    fn failed(&self) -> BoxFuture<'static, String> {
        match self.with(ManagerHandle::failed) {
            Some(failed) => Box::pin(failed),
            None => Box::pin(pending()),
        }
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner).take();
        Box::pin(async {
            if let Some(handle) = handle {
                handle.shutdown().await;
            }
        })
    }
}

/// An agent until it is stopped or has left.
pub struct RunningAgent {
    handle: Mutex<Option<AgentHandle>>,
    network: Arc<dyn Network>,
    identity: watch::Receiver<Identity>,
    calling: watch::Receiver<Option<Calling>>,
    managers: watch::Receiver<Vec<KnownManager>>,
}

impl RunningAgent {
    /// Wraps what the agent's start gave.
    pub fn new(handle: AgentHandle) -> Self {
        Self {
            network: handle.network(),
            identity: handle.identity(),
            calling: handle.calling(),
            managers: handle.managers(),
            handle: Mutex::new(Some(handle)),
        }
    }

    fn take(&self) -> Option<AgentHandle> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl AgentPart for RunningAgent {
    fn identity(&self) -> watch::Receiver<Identity> {
        self.identity.clone()
    }

    fn calling(&self) -> watch::Receiver<Option<Calling>> {
        self.calling.clone()
    }

    fn managers(&self) -> watch::Receiver<Vec<KnownManager>> {
        self.managers.clone()
    }

    fn status(&self) -> AgentStatus {
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(status) = handle.as_ref().map(AgentHandle::status) else {
            return AgentStatus::default();
        };
        AgentStatus {
            managers: status.managers.into_iter().map(|manager| manager.addr).collect(),
            connected: status.session.manager.is_some(),
            error: status.session.error,
            cut_off: status.session.since,
            warnings: status.warnings,
        }
    }

    fn cover(&self, keys: Option<Arc<Keys>>) -> BoxFuture<'_, Result<()>> {
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
        let covered = handle.as_ref().map(|handle| handle.cover(keys));
        Box::pin(async {
            match covered {
                Some(covered) => Ok(covered.await?),
                None => Err(IdentityError::Ended.into()),
            }
        })
    }

    fn counts(&self) -> BoxFuture<'_, Result<Vec<(String, u64)>>> {
        Box::pin(async { Ok(self.network.counts().await?) })
    }

    fn leave(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async {
            let Some(handle) = self.take() else { return Ok(()) };
            Ok(handle.leave().await?)
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

#[cfg(test)]
mod tests {
    use manager::{InitParams, Manager, ManagerConfig};

    use super::*;

    async fn begun(folder: &Path, autolock: bool) -> (ManagerHandle, Identity) {
        let mut init = InitParams::new();
        init.settings.autolock = autolock;
        let config = ManagerConfig {
            data_root: folder.to_owned(),
            listen_addr: ([127, 0, 0, 1], 0).into(),
            advertise_addr: ([127, 0, 0, 1], 0).into(),
            hints: manager::Hints::default(),
        };
        let (handle, shown) = Manager::bootstrap(config, init).await.unwrap();
        let identity = Identity::from_pem(shown.certificate_pem, shown.key_pem, shown.root_pem);
        (handle, identity.unwrap())
    }

    #[tokio::test]
    async fn what_a_manager_has_signed_for_itself_is_on_the_disk_as_autolock_wants_it() {
        for autolock in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let (handle, shown) = begun(folder.path(), autolock).await;
            let before = Identity {
                certificate_pem: "ended".to_owned(),
                ..shown.clone()
            };
            let manager = RunningManager::resumed(handle, &before, folder.path()).await.unwrap();
            let signed = manager.signed().unwrap();
            assert_eq!(signed.certificate_pem, shown.certificate_pem);
            let kept = Identity::load(folder.path()).unwrap().unwrap();
            assert_eq!(kept.certificate_pem, shown.certificate_pem);
            assert_eq!(kept.is_sealed(), autolock);
            manager.stop().await;
        }
    }

    #[tokio::test]
    async fn a_certificate_that_is_good_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (handle, shown) = begun(folder.path(), false).await;
        let manager = RunningManager::resumed(handle, &shown, folder.path()).await.unwrap();
        assert!(manager.signed().is_none() && Identity::load(folder.path()).unwrap().is_none());
        manager.stop().await;
    }
}
