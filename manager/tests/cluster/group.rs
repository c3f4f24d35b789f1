//! Several real managers in this process, each with its node's part of a session, as its daemon would keep it: it renews
//! the certificate into the wished role, starts the manager when raft takes it in, and stops it when raft lets it go.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use manager::{Hints, InitParams, KnownManager, Manager, ManagerConfig, ManagerHandle, NodeCredentials};
use model::Role;
use tempfile::TempDir;
use tokio::{sync::Mutex, task::JoinHandle, time::sleep};
use tonic::Status;
use wire::pb::{self, dispatcher_client::DispatcherClient, session_down};

use crate::node::{Member, join, operator, signing_request};

/// Longest wait for a group to come to something.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `what` gives something.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what} does not come about");
        sleep(Duration::from_millis(20)).await;
    }
}

/// A free port of the loopback device.
pub fn free_addr(host: [u8; 4]) -> SocketAddr {
    std::net::TcpListener::bind((std::net::Ipv4Addr::from(host), 0))
        .unwrap()
        .local_addr()
        .unwrap()
}

/// A node that is or may become a manager.
pub struct Seat {
    pub folder: TempDir,
    pub addr: SocketAddr,
    pub credentials: NodeCredentials,
    /// The running manager.
    pub handle: Arc<Mutex<Option<ManagerHandle>>>,
    /// Where others may be, as an operator says.
    pub hints: Hints,
    session: Option<JoinHandle<()>>,
}

fn config(folder: &TempDir, addr: SocketAddr, hints: Hints) -> ManagerConfig {
    ManagerConfig {
        data_root: folder.path().to_owned(),
        listen_addr: addr,
        advertise_addr: addr,
        hints,
    }
}

impl Seat {
    /// The first manager of a new cluster.
    pub async fn first() -> Self {
        let (folder, addr) = (tempfile::tempdir().unwrap(), free_addr([127, 0, 0, 1]));
        let started = Manager::bootstrap(config(&folder, addr, Hints::default()), InitParams::new()).await;
        let (handle, credentials) = started.unwrap();
        Self {
            folder,
            addr,
            credentials,
            handle: Arc::new(Mutex::new(Some(handle))),
            hints: Hints::default(),
            session: None,
        }
    }

    /// Joins by the token of `role`, and keeps a session from then on.
    pub async fn joins(manager: &Self, role: Role) -> Self {
        let (folder, addr) = (tempfile::tempdir().unwrap(), free_addr([127, 0, 0, 1]));
        let token = manager.with(|handle| handle.join_token(role)).await.unwrap();
        let joined = join(manager.addr, &token).await.unwrap();
        let mut seat = Self {
            folder,
            addr,
            credentials: NodeCredentials {
                node: joined.id.parse().unwrap(),
                role,
                certificate_pem: joined.certificate,
                key_pem: joined.key,
                ..manager.credentials.clone()
            },
            handle: Arc::default(),
            hints: Hints::default(),
            session: None,
        };
        seat.keeps_session(vec![manager.addr]);
        seat
    }

    /// As what its manager starts.
    pub fn config(&self) -> ManagerConfig {
        config(&self.folder, self.addr, self.hints.clone())
    }

    pub fn id(&self) -> String {
        self.credentials.node.to_string()
    }

    /// What the running manager says.
    pub async fn with<T>(&self, ask: impl FnOnce(&ManagerHandle) -> T) -> T {
        ask(self.handle.lock().await.as_ref().expect("its manager runs"))
    }

    /// Begins what the node's agent and daemon do about its role.
    pub fn keeps_session(&mut self, managers: Vec<SocketAddr>) {
        let keeper = Keeper {
            config: config(&self.folder, self.addr, self.hints.clone()),
            credentials: self.credentials.clone(),
            handle: self.handle.clone(),
            managers,
        };
        self.session = Some(tokio::spawn(keeper.run()));
    }

    /// The machine stops without a word.
    pub async fn dies(&mut self) {
        if let Some(session) = self.session.take() {
            session.abort();
            let _ = session.await;
        }
        if let Some(handle) = self.handle.lock().await.take() {
            handle.shutdown().await;
        }
    }

    /// The machine is back, as its disk says, at its address or another.
    pub async fn returns(&mut self, addr: SocketAddr, managers: Vec<SocketAddr>) {
        self.addr = addr;
        let config = config(&self.folder, addr, self.hints.clone());
        if Manager::exists(&config) {
            let handle = Manager::start(config, self.credentials.clone(), None).await.unwrap();
            self.credentials = handle.credentials();
            *self.handle.lock().await = Some(handle);
        }
        self.keeps_session(managers);
    }

    pub async fn control(&self) -> pb::control_client::ControlClient<tonic::transport::Channel> {
        operator(self.handle.lock().await.as_ref().expect("its manager runs")).await
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(session) = &self.session {
            session.abort();
        }
    }
}

struct Keeper {
    config: ManagerConfig,
    credentials: NodeCredentials,
    handle: Arc<Mutex<Option<ManagerHandle>>>,
    managers: Vec<SocketAddr>,
}

impl Keeper {
    async fn run(mut self) {
        for turn in 0usize.. {
            let candidates = self.candidates();
            let addr = candidates[turn % candidates.len()];
            if let Err(why) = self.session(addr).await {
                tracing::debug!(%why, "no session");
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// As an agent's: what it was told last may be from before the managers moved.
    fn candidates(&self) -> Vec<SocketAddr> {
        let hints = self.config.hints.now().into_iter().filter_map(|hint| hint.parse().ok());
        let own = (self.credentials.role == Role::Manager).then_some(self.config.advertise_addr);
        self.managers.iter().copied().chain(hints).chain(own).collect()
    }

    fn member(&self, manager: SocketAddr) -> Member {
        Member {
            addr: Some(self.config.advertise_addr),
            ..Member::first(&self.credentials, manager)
        }
    }

    async fn session(&mut self, addr: SocketAddr) -> Result<(), Status> {
        let member = self.member(addr);
        let mut agent = member
            .try_agent(&format!("n{}", self.config.listen_addr.port()))
            .await?;
        let beating = agent.up.clone();
        let beat = tokio::spawn(async move {
            let beat = pb::session_up::Message::Heartbeat(pb::Heartbeat::default());
            let beat = pb::SessionUp { message: Some(beat) };
            while beating.send(beat.clone()).await.is_ok() {
                sleep(Duration::from_millis(300)).await;
            }
        });
        let mut told = Vec::new();
        let ended = loop {
            let message = match agent.next_for(Duration::from_secs(3600)).await {
                Ok(message) => message,
                Err(status) => break status,
            };
            match message {
                session_down::Message::Managers(list) => {
                    self.managers = list.managers.iter().filter_map(|m| m.addr.parse().ok()).collect();
                    told = list.managers.iter().filter_map(known).collect();
                }
                session_down::Message::Identity(identity) => self.follow(addr, identity).await?,
                _ => {}
            }
            if let Some(handle) = self.handle.lock().await.as_ref() {
                handle.tell_managers(told.clone());
            }
        };
        beat.abort();
        Err(ended)
    }

    async fn follow(&mut self, manager: SocketAddr, identity: pb::NodeIdentity) -> Result<(), Status> {
        let role = match identity.role() {
            pb::Role::Manager => Role::Manager,
            _ => Role::Worker,
        };
        if role != self.credentials.role {
            let (key, csr_pem) = signing_request();
            let mut dispatcher = DispatcherClient::new(self.member(manager).try_channel().await?);
            let renewed = dispatcher
                .renew_certificate(pb::RenewCertificateRequest { csr_pem })
                .await?;
            self.credentials.certificate_pem = renewed.into_inner().certificate_pem;
            self.credentials.key_pem = key;
            self.credentials.role = role;
        }
        let mut handle = self.handle.lock().await;
        let seat = model::Seat {
            member: (identity.raft_id > 0).then_some(identity.raft_id),
            highest: identity.highest_raft_id,
        };
        if seat.step(handle.as_ref().map(ManagerHandle::member), 0).is_none() {
            return Ok(());
        }
        if let Some(old) = handle.take() {
            old.shutdown().await;
            Manager::forget(&self.config).unwrap();
        }
        if let Some(member) = seat.member {
            let started = Manager::join(self.config.clone(), self.credentials.clone(), member).await;
            *handle = Some(started.unwrap());
        }
        Ok(())
    }
}

fn known(manager: &pb::ManagerAddr) -> Option<KnownManager> {
    Some(KnownManager {
        member: manager.raft_id,
        node: manager.node.parse().ok()?,
        addr: manager.addr.parse().ok()?,
    })
}

/// Several managers, all of which vote.
pub struct Group {
    pub seats: Vec<Seat>,
}

impl Group {
    pub async fn of(count: usize) -> Self {
        let mut group = Self {
            seats: vec![Seat::first().await],
        };
        let first = group.seats[0].addr;
        group.seats[0].keeps_session(vec![first]);
        while group.seats.len() < count {
            let joined = Seat::joins(&group.seats[0], Role::Manager).await;
            group.seats.push(joined);
            let voters = group.seats.len();
            group.voters(0, voters).await;
        }
        group
    }

    /// Waits until the manager of seat `at` knows `count` members that vote, and no others.
    pub async fn voters(&self, at: usize, count: usize) {
        let seat = &self.seats[at];
        until(&format!("a group of {count}"), async || {
            let handle = seat.handle.lock().await;
            let published = handle.as_ref()?.proposer().published();
            let members = published.borrow().members.clone();
            (members.voters.len() == count && members.learners.is_empty()).then_some(())
        })
        .await;
    }

    /// The seat whose manager leads.
    pub async fn leader(&self) -> usize {
        until("a leader", async || {
            for (at, seat) in self.seats.iter().enumerate() {
                let handle = seat.handle.lock().await;
                if handle
                    .as_ref()
                    .is_some_and(|h| h.proposer().published().borrow().standing.leads)
                {
                    return Some(at);
                }
            }
            None
        })
        .await
    }

    /// Asks for a role of the node of seat `of`, at the manager of seat `at`; again if the node changed meanwhile.
    pub async fn wish(&self, at: usize, of: usize, role: pb::Role) -> Result<pb::Node, Status> {
        until("an update in sequence", async || {
            let outcome = self.wish_once(at, of, role).await;
            let raced = |why: &Status| why.message().starts_with("update out of sequence");
            (!outcome.as_ref().is_err_and(raced)).then_some(outcome)
        })
        .await
    }

    async fn wish_once(&self, at: usize, of: usize, role: pb::Role) -> Result<pb::Node, Status> {
        let mut control = self.seats[at].control().await;
        let refs = vec![self.seats[of].id()];
        let listed = control.list_nodes(pb::ListNodesRequest { refs }).await?.into_inner();
        let node = listed.nodes.into_iter().next().unwrap();
        let mut spec = node.spec.unwrap();
        spec.role = role.into();
        let request = pb::UpdateNodeRequest {
            request: String::new(),
            r#ref: node.id,
            version: node.version,
            spec: Some(spec),
        };
        control.update_node(request).await.map(tonic::Response::into_inner)
    }

    pub async fn end(mut self) {
        for seat in &mut self.seats {
            seat.dies().await;
        }
    }
}
