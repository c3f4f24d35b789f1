//! Connections of this manager to the others, for raft messages: found by raft id in the state, verified by node id.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use model::NodeId;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{net::TcpStream, sync::watch};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint, Uri};

use crate::{
    config::NodeCredentials,
    raft::{Driver, Outbound},
    tls,
};

/// Time for one attempt to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

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
        let endpoint = Endpoint::from_static("http://manager.netctl").connect_timeout(CONNECT_TIMEOUT);
        let connector = tower::service_fn(move |_: Uri| dial(addr, config.clone()));
        let channel = endpoint.connect_with_connector(connector).await;
        channel.map_err(|why| format!("manager {node} at {addr}: {why}"))
    }

    fn lost(&self, to: u64) {
        if let Some(driver) = self.driver.get() {
            driver.unreachable(to);
        }
    }
}

/// The name is a placeholder: the verifier looks at ids and roles.
async fn dial(addr: SocketAddr, config: Arc<ClientConfig>) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("manager.netctl").map_err(io::Error::other)?;
    Ok(TokioIo::new(TlsConnector::from(config).connect(name, stream).await?))
}
