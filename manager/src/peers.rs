//! Connections of this manager to the others, for raft messages: found by raft id in the state, verified by node id.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use model::NodeId;
use tokio::sync::watch;
use tonic::transport::Channel;

use crate::{
    config::NodeCredentials,
    raft::{Driver, Outbound},
    tls,
};

/// Dials managers. The driver is set once it runs: it needs its transport first.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    credentials: watch::Receiver<NodeCredentials>,
    driver: Arc<OnceLock<Driver>>,
}

impl Peers {
    pub(crate) fn new(credentials: watch::Receiver<NodeCredentials>) -> Self {
        Self {
            credentials,
            driver: Arc::default(),
        }
    }

    /// Where to look managers up and to report losses.
    pub(crate) fn set_driver(&self, driver: Driver) {
        let _ = self.driver.set(driver);
    }

    fn find(&self, member: u64) -> Option<(NodeId, SocketAddr)> {
        let published = self.driver.get()?.published();
        let published = published.borrow();
        let mut nodes = published.view.nodes();
        let node = nodes.find(|node| node.raft_id == Some(member))?;
        Some((node.id, node.manager_addr?))
    }
}

impl Outbound for Peers {
    async fn connect(&self, to: u64) -> Result<Channel, String> {
        let (node, addr) = self.find(to).ok_or_else(|| format!("manager {to} is not known"))?;
        let config = tls::client_config(&self.credentials.borrow(), node).map_err(|why| why.to_string())?;
        let channel = peer::connect(&addr.to_string(), config).await;
        channel.map_err(|why| format!("manager {node}: {why}"))
    }

    fn lost(&self, to: u64) {
        if let Some(driver) = self.driver.get() {
            driver.unreachable(to);
        }
    }
}
