//! What the daemon keeps of a running manager.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures::future::join_all;
use model::{NodeId, Role};
use rustls::ServerConfig;
use seal::{KeyFile, KeyId, Keyring, Keys, UnlockKey};
use store::View;
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tonic::service::Routes;

use crate::{
    api::Api,
    ca,
    config::NodeCredentials,
    peers::KnownManager,
    proposer::Proposer,
    raft::{Published, ReadError},
    tls, token,
};

/// Open connections get this long to end at shutdown.
const GOODBYE: Duration = Duration::from_secs(2);

/// A manager that leaves waits this long for the others to let it go.
const RETIREMENT: Duration = Duration::from_secs(5);

/// A running manager. Dropping it does not stop it properly: call [`ManagerHandle::shutdown`].
pub struct ManagerHandle {
    pub(crate) api: Api,
    pub(crate) listen_addr: SocketAddr,
    pub(crate) tls: watch::Sender<Arc<ServerConfig>>,
    pub(crate) credentials: watch::Sender<NodeCredentials>,
    pub(crate) unlock: watch::Receiver<Option<UnlockKey>>,
    pub(crate) key_file: KeyFile,
    pub(crate) keyring: Keyring,
    pub(crate) told: watch::Sender<Vec<KnownManager>>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) tasks: Vec<JoinHandle<()>>,
    pub(crate) server: JoinHandle<()>,
}

impl ManagerHandle {
    /// The cluster's API for the daemon's local socket. Whoever reaches it may do everything: the socket's mode is the
    /// only check.
    pub fn local_routes(&self) -> Routes {
        self.api.local_routes()
    }

    /// The door to raft, for reads and for commands of the daemon's own.
    pub fn proposer(&self) -> &Proposer {
        &self.api.proposer
    }

    /// The state as this manager has it now.
    pub fn view(&self) -> View {
        self.api.proposer.view()
    }

    /// This node's id.
    pub fn node(&self) -> NodeId {
        self.api.node
    }

    /// What this node shows: what was given, or what the manager has signed for itself because that had ended. The daemon
    /// keeps it then.
    pub fn credentials(&self) -> NodeCredentials {
        self.credentials.borrow().clone()
    }

    /// Where the control port is bound.
    pub fn listen_addr(&self) -> SocketAddr {
        self.listen_addr
    }

    /// Where others reach the control port; the address in printed join commands.
    pub fn advertise_addr(&self) -> SocketAddr {
        self.api.advertise_addr
    }

    /// The whole join token for a role; `None` before the cluster is there.
    pub fn join_token(&self, role: Role) -> Option<String> {
        let view = self.view();
        view.cluster().map(|cluster| token::of_role(cluster, role).to_owned())
    }

    /// The unlock key under which this manager's keys lie on its disk; `None` while autolock is off.
    pub fn unlock_key(&self) -> watch::Receiver<Option<UnlockKey>> {
        self.unlock.clone()
    }

    /// The data keys under which the node's own key has to lie on the disk; `None`: in clear, while autolock is off.
    /// Changes with [`ManagerHandle::unlock_key`].
    pub fn cover(&self) -> Option<Arc<Keys>> {
        let locked = self.unlock.borrow().is_some();
        locked.then(|| self.keyring.keys())
    }

    /// Under which of them it lies; until this was said none is dropped.
    pub fn covered(&self, under: Option<KeyId>) {
        self.keyring.set_beside(under);
    }

    /// Where this manager's keys lie and what that means, for an operator.
    pub fn key_storage(&self) -> String {
        self.key_file.in_words().unwrap_or_else(|why| why.to_string())
    }

    /// Shows a renewed certificate, and trusts the roots that came with it, from the next connection on.
    pub fn set_credentials(&self, credentials: NodeCredentials) -> Result<(), peer::PeerError> {
        self.tls.send_replace(tls::server_config(&credentials)?);
        self.credentials.send_replace(credentials);
        Ok(())
    }

    /// The root that the cluster's nodes are to trust, and who signs for them; `None` before there is a cluster.
    pub fn tls_info(&self) -> Option<wire::pb::TlsInfo> {
        ca::cluster_tls_info(&self.view()).ok().flatten()
    }

    /// Raft id of this manager.
    pub fn member(&self) -> u64 {
        self.api.proposer.published().borrow().members.own
    }

    /// The managers as another manager named them in this node's session: how a manager that has no state yet, or an
    /// old one, knows its peers.
    pub fn tell_managers(&self, managers: Vec<KnownManager>) {
        self.told.send_replace(managers);
    }

    /// Whether a majority of the managers agrees with this one within a read's time. An error if nobody can say: a leader
    /// that does not answer this manager may have the majority.
    pub fn has_majority(&self) -> impl Future<Output = Result<bool, ReadError>> + Send + use<> {
        let proposer = self.api.proposer.clone();
        async move {
            match proposer.read().await {
                Ok(_) => Ok(true),
                Err(ReadError::NoLeader) => Ok(false),
                Err(why) => Err(why),
            }
        }
    }

    /// Waits until raft has let this manager go: its state says so, or another member does. Pending as long as it is one.
    pub fn removed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut published = self.api.proposer.published();
        let mut said = self.api.peers.removed();
        async move {
            let gone = |p: &Published| control::is_released(&p.view, p.members.own);
            let ended = tokio::select! {
                seen = published.wait_for(gone) => seen.is_err(),
                said = said.wait_for(|said| *said) => said.is_err(),
            };
            if ended {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Demotes this node and waits until raft has let it go. Refused where raft could not survive that.
    pub fn retire(&self) -> impl Future<Output = Result<(), tonic::Status>> + Send + use<> {
        let (api, removed) = (self.api.clone(), self.removed());
        async move {
            api.demote_itself().await?;
            let gone = timeout(RETIREMENT, removed).await;
            gone.map_err(|_| tonic::Status::deadline_exceeded("the other managers have not let this one go yet"))
        }
    }

    /// Waits until the manager cannot go on (its disk failed), and says why. Pending as long as all is well.
    pub fn failed(&self) -> impl Future<Output = String> + Send + use<> {
        let mut failure = self.api.proposer.driver().failure();
        async move {
            let failed = failure.wait_for(Option::is_some).await;
            match failed.ok().and_then(|why| why.clone()) {
                Some(why) => why.to_string(),
                None => "the raft thread has ended".to_owned(),
            }
        }
    }

    /// Ends sessions, the control port and raft. When it returns the port and the files are free.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        let mut server = self.server;
        if timeout(GOODBYE, &mut server).await.is_err() {
            server.abort();
            let _ = server.await;
        }
        self.tasks.iter().for_each(JoinHandle::abort);
        // What a task holds that was aborted is free only once it has ended.
        join_all(self.tasks).await;
        let driver = self.api.proposer.driver();
        driver.stop();
        driver.ended().await;
    }
}
