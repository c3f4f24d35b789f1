//! Starting a manager, new or from disk: the parts in their order.

use std::{fs, io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use model::{ClusterId, NetworkId, NodeId};
use seal::{KeyFileError, Keys, UnlockKey};
use store::{Command, Refused, View};
use thiserror::Error;
use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::{mpsc, watch},
    time::sleep,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;

use crate::{
    access::Gate,
    api::{Api, Queue},
    autolock::{self, Autolock},
    ca::CaError,
    certify,
    config::{InitParams, ManagerConfig, NodeCredentials, key_file},
    dispatcher::Dispatcher,
    founding::{FIRST_MEMBER, found_cluster, manager_node},
    handle::ManagerHandle,
    leader, listener,
    logs::Desk,
    mint,
    peers::Peers,
    proposer::Proposer,
    raft::{Disk as _, DiskError, Driver, Introduction, PeerChannels, ProposeError, RedbDisk, Replica, ReplicaError},
    roles, tls,
};

/// Connections that wait for the server to take them.
const BACKLOG: usize = 64;
/// After this long in silence the server asks whether the other end still lives.
const KEEPALIVE: Duration = Duration::from_secs(2);

/// Until a manager that has moved tries again to say so.
const ANNOUNCE_AGAIN: Duration = Duration::from_secs(1);

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
    /// The keys of the state on disk: locked, missing or damaged.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// Somebody mixed the folders of two clusters.
    #[error(
        "{file} holds the state of another swarm ({found}) than this node's certificate is for ({certified}): put the folder back where it came from, or let this node leave (netctl swarm leave --force)"
    )]
    OtherCluster {
        /// The log.
        file: String,
        /// Whose state it is.
        found: ClusterId,
        /// Whose node this is.
        certified: ClusterId,
    },
    /// It is about to be the only manager, and has nothing to go on with.
    #[error("this manager was not told anything of the swarm yet: it has no state to go on with")]
    NoState,
    /// It was about to be the only manager; its log could not be kept beside the new one.
    #[error("cannot keep the log as it is now in {file}: {why}. Nothing was changed; make room for a copy of it")]
    Aside {
        /// Where it was to be.
        file: String,
        /// Why not.
        why: io::Error,
    },
    /// Certificates could not be made.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// Certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] peer::PeerError),
    /// The settings make no cluster.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// What an earlier membership left could not be removed.
    #[error("cannot remove the state of an earlier membership: {0}")]
    Sweep(io::Error),
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
        Self::fill_port(&mut config, &listener)?;
        let (cluster, credentials) = found_cluster(&init)?;
        let node = manager_node(&config, &init, cluster.created_at, (credentials.node, FIRST_MEMBER));
        let ingress = NetworkId::from_bits(mint::bits());
        let unlock = autolock::of_cluster(&cluster);
        let first = control::plan_init(&View::default(), cluster, node, ingress)?;

        if Self::exists(&config) {
            // Before its keys are touched.
            return Err(DiskError::Io(format!("{} is there already", config.raft_file().display())).into());
        }
        let autolock = Autolock::create(config.key_file(), unlock)?;
        let first_disk = Replica::<RedbDisk>::first_member(FIRST_MEMBER)?;
        let disk = RedbDisk::create(&config.raft_file(), &first_disk, autolock.keyring())?;
        let started = run(&config, disk, autolock, listener, credentials.clone());
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

    /// Starts the manager that was here before, from its disk. `unlock` opens it if autolock was on; without it the
    /// answer is [`KeyFileError::Locked`] then. If the certificate has ended the manager signs itself another, with the key
    /// of its own state: see [`ManagerHandle::credentials`].
    pub async fn start(
        config: ManagerConfig,
        credentials: NodeCredentials,
        unlock: Option<UnlockKey>,
    ) -> Result<ManagerHandle, StartError> {
        let autolock = Autolock::open(config.key_file(), unlock)?;
        let disk = RedbDisk::open(&config.raft_file(), autolock.keyring())?;
        Self::resume(config, disk, autolock, credentials).await
    }

    /// Starts a manager that the others take in as raft's member: with an empty log, which they fill, or with what an
    /// attempt before has got already. State of another member, which this node was before, is swept away.
    ///
    /// Only for a member that is new: one that has lost its log must not come back with an empty one under the same id.
    pub async fn join(
        config: ManagerConfig,
        credentials: NodeCredentials,
        member: u64,
    ) -> Result<ManagerHandle, StartError> {
        if Self::exists(&config) {
            let autolock = Autolock::open(config.key_file(), None)?;
            let mut disk = RedbDisk::open(&config.raft_file(), autolock.keyring())?;
            if disk.load()?.member() == member {
                return Self::resume(config, disk, autolock, credentials).await;
            }
        }
        Self::forget(&config).map_err(StartError::Sweep)?;
        let autolock = Autolock::create(config.key_file(), None)?;
        let first = Replica::<RedbDisk>::new_member(member);
        let disk = RedbDisk::create(&config.raft_file(), &first, autolock.keyring())?;
        Self::resume(config, disk, autolock, credentials).await
    }

    async fn resume(
        mut config: ManagerConfig,
        disk: RedbDisk,
        autolock: Autolock,
        credentials: NodeCredentials,
    ) -> Result<ManagerHandle, StartError> {
        let listener = listener::bind(config.listen_addr).await.map_err(StartError::Listen)?;
        Self::run_old(&mut config, listener, disk, autolock, credentials)
    }

    /// Runs the manager of a log that has a cluster, or will be given one.
    pub(crate) fn run_old(
        config: &mut ManagerConfig,
        listener: TcpListener,
        disk: RedbDisk,
        autolock: Autolock,
        credentials: NodeCredentials,
    ) -> Result<ManagerHandle, StartError> {
        Self::fill_port(config, &listener)?;
        let mut handle = run(config, disk, autolock, listener, credentials.clone())?;
        let (proposer, addr) = (handle.proposer().clone(), config.advertise_addr);
        handle
            .tasks
            .push(tokio::spawn(announce(proposer, credentials.node, addr)));
        Ok(handle)
    }

    /// Port 0 stands for "any": others must be told which it became.
    pub(crate) fn fill_port(config: &mut ManagerConfig, listener: &TcpListener) -> Result<(), StartError> {
        config.listen_addr = listener.local_addr().map_err(StartError::Listen)?;
        if config.advertise_addr.port() == 0 {
            config.advertise_addr.set_port(config.listen_addr.port());
        }
        Ok(())
    }

    /// The data keys that lie below a data folder; `unlock` opens them if autolock was on.
    pub fn data_keys(data_root: &Path, unlock: Option<&UnlockKey>) -> Result<Keys, KeyFileError> {
        key_file(data_root).load(unlock)
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

/// Tells the others where this manager is now, if that has changed since it last ran. Goes on until they have heard.
async fn announce(proposer: Proposer, id: NodeId, addr: SocketAddr) {
    loop {
        if let Ok(view) = proposer.read().await {
            let moved = |node: &model::Node| node.raft_id.is_some() && node.manager_addr != Some(addr);
            if !view.node(id).is_some_and(moved) {
                return;
            }
            let at = mint::now();
            match proposer.propose(Command::MoveManager { id, at, addr }).await {
                Ok(_) => return,
                Err(why) => tracing::warn!(%why, "the new address of this manager is not taken"),
            }
        }
        sleep(ANNOUNCE_AGAIN).await;
    }
}

/// The state must be of the cluster that this node's certificate is for.
pub(crate) fn own_cluster(config: &ManagerConfig, view: &View, certified: ClusterId) -> Result<(), StartError> {
    let found = view.cluster().map(|cluster| cluster.id);
    match found.filter(|found| *found != certified) {
        Some(found) => Err(StartError::OtherCluster {
            file: config.raft_file().display().to_string(),
            found,
            certified,
        }),
        None => Ok(()),
    }
}

/// Puts the parts together and lets them run.
fn run(
    config: &ManagerConfig,
    disk: RedbDisk,
    autolock: Autolock,
    listener: TcpListener,
    credentials: NodeCredentials,
) -> Result<ManagerHandle, StartError> {
    let (node, cluster) = (credentials.node, credentials.cluster);
    let mut replica = Replica::start(disk)?;
    // A lone manager leads now, and knows all that its log holds; what others are to hear they ask for again.
    replica.advance()?;
    own_cluster(config, &replica.view(), cluster)?;
    let credentials = certify::in_force(credentials, &replica.view(), mint::now());
    let (tls, shown) = watch::channel(tls::server_config(&credentials)?);
    let (credentials, current) = watch::channel(credentials);
    let (told, known) = watch::channel(Vec::new());
    let own = Introduction {
        member: replica.member(),
        addr: config.advertise_addr.to_string(),
        managers: Vec::new(),
    };
    let peers = Peers::new(own, current, known, config.hints.clone());
    let transport = PeerChannels::new(peers.clone(), Handle::current());
    let driver = Driver::start(replica, transport);
    peers.set_driver(driver.clone());
    let proposer = Proposer::new(driver);

    let (stop, stopping) = watch::channel(false);
    let (queue, planning) = Queue::start(proposer.clone());
    let desk = Desk::default();
    let api = Api {
        dispatcher: Dispatcher::start(proposer.clone(), desk.clone(), stopping.clone()),
        desk,
        stopping: stopping.clone(),
        proposer: proposer.clone(),
        queue,
        node,
        advertise_addr: config.advertise_addr,
        peers,
        attempts: Arc::default(),
    };
    let (connections, incoming) = mpsc::channel(BACKLOG);
    let (unlock, keyring) = (autolock.unlock(), autolock.keyring());
    let tasks = vec![
        planning,
        tokio::spawn(autolock.follow(proposer.published())),
        tokio::spawn(leader::run(proposer.clone())),
        tokio::spawn(roles::run(proposer.clone())),
        tokio::spawn(listener::accept(listener, shown, connections, is_node(&proposer))),
    ];
    let server = tokio::spawn(serve(api.clone(), incoming, stopping));
    Ok(ManagerHandle {
        api,
        listen_addr: config.listen_addr,
        tls,
        credentials,
        unlock,
        key_file: config.key_file(),
        keyring,
        told,
        stop,
        tasks,
        server,
    })
}

/// Whether the state has a node at an address.
fn is_node(proposer: &Proposer) -> listener::IsNode {
    let published = proposer.published();
    Box::new(move |addr| published.borrow().view.nodes().any(|node| node.status.addr == addr))
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
        .layer(Gate::new(api.proposer.clone()))
        .add_routes(api.routes())
        .serve_with_incoming_shutdown(ReceiverStream::new(incoming), stop);
    if let Err(why) = served.await {
        tracing::error!(%why, "the control port's server ends");
    }
}
