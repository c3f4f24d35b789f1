//! Starting and stopping a manager: the parts in their order, and the handle that the daemon keeps.

use std::{fs, io, net::SocketAddr, sync::Arc, time::Duration};

use model::{Cluster, ClusterId, ClusterSecrets, NetworkId, Node, NodeId, NodeSpec, NodeState, NodeStatus, Role};
use store::{Command, Refused, View};
use thiserror::Error;
use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{service::Routes, transport::Server};

use crate::{
    access::Gate,
    api::Api,
    ca::{self, CaError, Root, Subject},
    config::{InitParams, ManagerConfig, NodeCredentials},
    dispatcher::Dispatcher,
    leader, listener, mint,
    peers::Peers,
    proposer::Proposer,
    raft::{DiskError, Driver, PeerChannels, ProposeError, RedbDisk, Replica, ReplicaError},
    tls::{self, ServerIdentity, TlsError},
    token,
};

/// Raft id of a cluster's first member.
const FIRST_MEMBER: u64 = 1;
/// Open connections get this long to end at shutdown.
const GOODBYE: Duration = Duration::from_secs(2);
/// Connections that wait for the server to take them.
const BACKLOG: usize = 64;
/// After this long in silence the server asks whether the other end still lives.
const KEEPALIVE: Duration = Duration::from_secs(2);

/// A manager that cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The control port; the text names it and the option that helps.
    #[error("{0}")]
    Listen(io::Error),
    /// There is a cluster's state already, or none.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The state on disk cannot be used.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// Certificates could not be made.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// Certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The settings make no cluster.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The first entries could not be written.
    #[error(transparent)]
    Propose(#[from] ProposeError),
}

/// The ways to start a manager.
#[derive(Clone, Copy, Debug)]
pub struct Manager;

impl Manager {
    /// Makes a new cluster with this node as its first manager: certificate authority, state, ingress network. Nothing
    /// is left behind if it fails. Must be called within a tokio runtime.
    ///
    /// The credentials are this node's: the agent keeps them and gives them back to [`Manager::start`].
    pub async fn bootstrap(
        mut config: ManagerConfig,
        init: InitParams,
    ) -> Result<(ManagerHandle, NodeCredentials), StartError> {
        let listener = listener::bind(config.listen_addr).await.map_err(StartError::Listen)?;
        fill_port(&mut config, &listener)?;
        let (cluster, credentials) = found_cluster(&init)?;
        let node = first_node(&config, &init, &cluster, credentials.node);
        let ingress = NetworkId::from_bits(mint::bits());
        let first = control::plan_init(&View::default(), cluster, node, ingress)?;

        let disk = RedbDisk::create(&config.raft_file(), &Replica::<RedbDisk>::first_member(FIRST_MEMBER)?)?;
        let started = Running::start(&config, disk, listener, credentials.clone());
        let result = match started {
            Ok(handle) => match handle.proposer().propose(first).await {
                Ok(_) => Ok((handle, credentials)),
                Err(why) => {
                    handle.shutdown().await;
                    Err(why.into())
                }
            },
            Err(why) => Err(why),
        };
        if result.is_err() {
            let _ = Self::forget(&config);
        }
        result
    }

    /// Starts the manager that was here before, from its disk.
    pub async fn start(mut config: ManagerConfig, credentials: NodeCredentials) -> Result<ManagerHandle, StartError> {
        let disk = RedbDisk::open(&config.raft_file())?;
        let listener = listener::bind(config.listen_addr).await.map_err(StartError::Listen)?;
        fill_port(&mut config, &listener)?;
        let handle = Running::start(&config, disk, listener, credentials.clone())?;
        tokio::spawn(announce(
            handle.proposer().clone(),
            credentials.node,
            config.advertise_addr,
        ));
        Ok(handle)
    }

    /// Whether there is a manager's state in the data folder.
    pub fn exists(config: &ManagerConfig) -> bool {
        config.raft_file().exists()
    }

    /// Removes a manager's state from the data folder; it must not be running. None is no error.
    pub fn forget(config: &ManagerConfig) -> io::Result<()> {
        match config.raft_file().parent().map(fs::remove_dir_all) {
            Some(Err(why)) if why.kind() != io::ErrorKind::NotFound => Err(why),
            _ => Ok(()),
        }
    }
}

/// Port 0 stands for "any": others must be told which it became.
fn fill_port(config: &mut ManagerConfig, listener: &TcpListener) -> Result<(), StartError> {
    config.listen_addr = listener.local_addr().map_err(StartError::Listen)?;
    if config.advertise_addr.port() == 0 {
        config.advertise_addr.set_port(config.listen_addr.port());
    }
    Ok(())
}

fn found_cluster(init: &InitParams) -> Result<(Cluster, NodeCredentials), CaError> {
    let now = mint::now();
    let root = Root::create(now)?;
    let digest = root.digest()?;
    let subject = Subject {
        node: NodeId::from_bits(mint::bits()),
        role: Role::Manager,
        cluster: ClusterId::from_bits(mint::bits()),
    };
    let (key_pem, csr_pem) = ca::fresh_request()?;
    let credentials = NodeCredentials {
        node: subject.node,
        cluster: subject.cluster,
        role: subject.role,
        certificate_pem: root.sign(&csr_pem, subject, now)?,
        key_pem,
        root_pem: root.certificate_pem.clone(),
    };
    let cluster = Cluster {
        id: subject.cluster,
        version: 0,
        created_at: now,
        settings: init.settings.clone(),
        root_ca: root.certificate_pem,
        secrets: ClusterSecrets {
            worker_token: token::fresh(digest).to_string(),
            manager_token: token::fresh(digest).to_string(),
            root_ca_key: root.key_pem,
        },
    };
    Ok((cluster, credentials))
}

fn first_node(config: &ManagerConfig, init: &InitParams, cluster: &Cluster, id: NodeId) -> Node {
    Node {
        id,
        version: 0,
        created_at: cluster.created_at,
        updated_at: cluster.created_at,
        spec: NodeSpec {
            role: Role::Manager,
            availability: init.availability,
            labels: std::collections::BTreeMap::new(),
        },
        description: init.description.clone(),
        status: NodeStatus {
            state: NodeState::Unknown,
            message: String::new(),
            addr: config.node_addr(),
        },
        manager_addr: Some(config.advertise_addr),
        raft_id: Some(FIRST_MEMBER),
    }
}

/// Tells the others where this manager is now, if that has changed since it last ran.
async fn announce(proposer: Proposer, id: NodeId, addr: SocketAddr) {
    let Ok(view) = proposer.read().await else { return };
    let Some(node) = view.node(id).filter(|node| node.manager_addr != Some(addr)) else {
        return;
    };
    let mut moved = node.clone();
    moved.manager_addr = Some(addr);
    moved.status.addr = addr.ip();
    moved.updated_at = mint::now();
    if let Err(why) = proposer.propose(Command::UpsertNode(Box::new(moved))).await {
        tracing::warn!(%why, "the new address of this manager is not taken");
    }
}

/// The parts that run, put together.
struct Running;

impl Running {
    fn start(
        config: &ManagerConfig,
        disk: RedbDisk,
        listener: TcpListener,
        credentials: NodeCredentials,
    ) -> Result<ManagerHandle, StartError> {
        let node = credentials.node;
        let identity = Arc::new(ServerIdentity::new(&credentials)?);
        let tls = tls::server_config(&credentials.root_pem, identity.clone())?;
        let (credentials, current) = watch::channel(credentials);
        let peers = Peers::new(current);
        let transport = PeerChannels::new(peers.clone(), Handle::current());
        let driver = Driver::start(Replica::start(disk)?, transport);
        peers.set_driver(driver.clone());
        let proposer = Proposer::new(driver);

        let (stop, stopping) = watch::channel(false);
        let api = Api {
            dispatcher: Dispatcher::start(proposer.clone(), stopping.clone()),
            proposer: proposer.clone(),
            node,
            advertise_addr: config.advertise_addr,
        };
        let (connections, incoming) = mpsc::channel(BACKLOG);
        let tasks = vec![
            tokio::spawn(leader::run(proposer.clone())),
            tokio::spawn(listener::accept(listener, tls, connections)),
        ];
        let server = tokio::spawn(serve(api.clone(), incoming, stopping));
        Ok(ManagerHandle {
            api,
            listen_addr: config.listen_addr,
            identity,
            credentials,
            stop,
            tasks,
            server,
        })
    }
}

async fn serve(
    api: Api,
    incoming: mpsc::Receiver<io::Result<listener::TlsConnection>>,
    mut stopping: watch::Receiver<bool>,
) {
    let stop = async move {
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    let served = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .layer(Gate(api.proposer.clone()))
        .add_routes(api.routes())
        .serve_with_incoming_shutdown(ReceiverStream::new(incoming), stop);
    if let Err(why) = served.await {
        tracing::error!(%why, "the control port's server ends");
    }
}

/// A running manager. Dropping it does not stop it properly: call [`ManagerHandle::shutdown`].
pub struct ManagerHandle {
    api: Api,
    listen_addr: SocketAddr,
    identity: Arc<ServerIdentity>,
    credentials: watch::Sender<NodeCredentials>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    server: JoinHandle<()>,
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

    /// Shows a renewed certificate from now on.
    pub fn set_credentials(&self, credentials: NodeCredentials) -> Result<(), TlsError> {
        self.identity.replace(&credentials)?;
        self.credentials.send_replace(credentials);
        Ok(())
    }

    /// Waits until the manager cannot go on (its disk failed), and says why. Pending as long as all is well.
    pub async fn failed(&self) -> String {
        let mut failure = self.api.proposer.driver().failure();
        let why = match failure.wait_for(Option::is_some).await {
            Ok(why) => why.as_deref().unwrap_or_default().to_owned(),
            Err(_) => "the raft thread has ended".to_owned(),
        };
        why
    }

    /// Ends sessions, the control port and raft. When it returns the port and the files are free.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        let mut server = self.server;
        if timeout(GOODBYE, &mut server).await.is_err() {
            server.abort();
        }
        for task in &self.tasks {
            task.abort();
        }
        let driver = self.api.proposer.driver();
        driver.stop();
        driver.ended().await;
    }
}
