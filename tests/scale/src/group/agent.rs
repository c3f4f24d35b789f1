//! An agent without an engine: it holds a session with the leader, beats, and reports each task that it is told to run as
//! running, all of one message in one batch.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use manager::NodeCredentials;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming, client::Grpc, codegen::http::uri::PathAndQuery};
use wire::pb::{self, session_up};

use super::{
    down::{Down, Kind, SessionCodec, Task},
    join,
};

/// Until a session that ended is opened anew; agents take turns within the second part of it.
const AGAIN: Duration = Duration::from_millis(200);
const SPREAD: u64 = 800;
/// The default period of heartbeats.
const BEAT: Duration = Duration::from_millis(800);
/// Messages to a manager that may wait.
const UP_QUEUE: usize = 16;
/// Format of sessions.
const FORMAT: u32 = 2;
const SESSION: &str = "/netctl.v1.Dispatcher/Session";
/// Longest message that is taken, bytes.
const LONGEST: usize = 64 << 20;

/// What all agents were told, in encoded bytes; beats apart, which come for as long as a session lasts.
#[derive(Default)]
pub struct Told(AtomicU64);

impl Told {
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is seen of an agent from outside.
#[derive(Clone, Copy, Default)]
struct Seen {
    in_session: bool,
    /// Its node's raft id; 0: none.
    member: u64,
}

/// Runs until dropped.
pub struct Agent {
    task: JoinHandle<()>,
    seen: watch::Receiver<Seen>,
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Agent {
    /// `control`: where its node's control port is or will be.
    pub fn start(
        credentials: NodeCredentials,
        control: Option<SocketAddr>,
        managers: Vec<SocketAddr>,
        told: Arc<Told>,
    ) -> Self {
        let (say, seen) = watch::channel(Seen::default());
        let keeper = Keeper {
            credentials,
            control,
            managers,
            told,
            say,
            known: BTreeSet::new(),
        };
        let task = tokio::spawn(keeper.run());
        Self { task, seen }
    }

    /// Waits until the node is raft's member; its raft id.
    pub async fn member(&mut self, patience: Duration) -> Result<u64> {
        self.until(patience, |seen| seen.member > 0)
            .await
            .map(|seen| seen.member)
    }

    /// Waits until a manager has taken the session.
    pub async fn in_session(&mut self, patience: Duration) -> Result<()> {
        self.until(patience, |seen| seen.in_session).await.map(drop)
    }

    async fn until(&mut self, patience: Duration, fits: impl Fn(&Seen) -> bool) -> Result<Seen> {
        let seen = timeout(patience, self.seen.wait_for(fits)).await;
        Ok(*seen.context("an agent waits for too long")??)
    }
}

struct Keeper {
    credentials: NodeCredentials,
    control: Option<SocketAddr>,
    managers: Vec<SocketAddr>,
    told: Arc<Told>,
    say: watch::Sender<Seen>,
    /// Tasks that were reported as running since the last whole view.
    known: BTreeSet<String>,
}

impl Keeper {
    async fn run(mut self) {
        let spread = Duration::from_millis((self.credentials.node.bits() % u128::from(SPREAD)) as u64);
        loop {
            let addr = self.managers[0];
            // Unless it says who leads, the next one is tried.
            self.managers.rotate_left(1);
            if let Err(why) = self.session(addr).await {
                eprintln!("agent {}: {why:#}", self.credentials.node);
            }
            self.say.send_modify(|seen| seen.in_session = false);
            sleep(AGAIN + spread).await;
        }
    }

    async fn session(&mut self, addr: SocketAddr) -> Result<()> {
        let (up, stream) = mpsc::channel(UP_QUEUE);
        up.send(message(session_up::Message::Hello(self.hello()))).await?;
        let mut down = self.open(addr, stream).await?;
        let mut beat = tokio::time::interval(BEAT);
        loop {
            tokio::select! {
                _ = beat.tick() => {
                    let beat = pb::Heartbeat::default();
                    up.send(message(session_up::Message::Heartbeat(beat))).await?;
                }
                next = down.message() => {
                    let next = next?.ok_or_else(|| Status::aborted("the session ended"))?;
                    let Some(kind) = next.kind else { continue };
                    self.told.0.fetch_add(next.length, Ordering::Relaxed);
                    let running = self.take(kind);
                    if !running.is_empty() {
                        let batch = pb::StatusBatch { reports: running };
                        up.send(message(session_up::Message::Statuses(batch))).await?;
                    }
                }
            }
        }
    }

    async fn open(&self, addr: SocketAddr, up: mpsc::Receiver<pb::SessionUp>) -> Result<Streaming<Down>> {
        let channel = join::channel(&self.credentials, addr).await?;
        let mut dispatcher = Grpc::new(channel).max_decoding_message_size(LONGEST);
        dispatcher.ready().await?;
        let (up, path) = (
            Request::new(ReceiverStream::new(up)),
            PathAndQuery::from_static(SESSION),
        );
        Ok(dispatcher.streaming(up, path, SessionCodec).await?.into_inner())
    }

    fn hello(&self) -> pb::Hello {
        let description = pb::NodeDescription {
            hostname: format!("agent-{}", self.credentials.node.short()),
            os: "linux".to_owned(),
            arch: "x86_64".to_owned(),
            engine_version: "20.10".to_owned(),
            nano_cpus: 4_000_000_000,
            memory_bytes: 8 << 30,
            vtep: "127.0.0.1".to_owned(),
            underlay_mtu: 1500,
            ..pb::NodeDescription::default()
        };
        pb::Hello {
            format: FORMAT,
            description: Some(description),
            addr: self.control.map(|addr| addr.to_string()).unwrap_or_default(),
            ..pb::Hello::default()
        }
    }

    /// What follows from a message: reports.
    fn take(&mut self, message: Kind) -> Vec<pb::TaskReport> {
        match message {
            Kind::Managers(list) => {
                let mut list = list.managers;
                list.sort_by_key(|manager| !manager.leader);
                let addrs: Vec<SocketAddr> = list.iter().filter_map(|manager| manager.addr.parse().ok()).collect();
                if !addrs.is_empty() {
                    self.managers = addrs;
                }
                Vec::new()
            }
            Kind::Identity(identity) => {
                self.say.send_modify(|seen| seen.member = identity.raft_id);
                Vec::new()
            }
            Kind::View(view) => {
                self.say.send_modify(|seen| seen.in_session = true);
                // A session begins with it: what was reported in the one before may never have been written down.
                self.known.clear();
                self.start(view.tasks)
            }
            Kind::Delta(delta) => self.start(delta.tasks),
        }
    }

    fn start(&mut self, tasks: Vec<Task>) -> Vec<pb::TaskReport> {
        let fresh = tasks.into_iter().filter(|task| self.known.insert(task.id.clone()));
        let running = |task: Task| pb::TaskReport {
            status: Some(pb::TaskStatus {
                state: pb::TaskState::Running.into(),
                at: task.updated_at + 1,
                message: "started".to_owned(),
                container: Some(format!("{:0>64}", task.id)),
                ..pb::TaskStatus::default()
            }),
            task: task.id,
        };
        fresh.map(running).collect()
    }
}

fn message(message: session_up::Message) -> pb::SessionUp {
    pb::SessionUp { message: Some(message) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::down::{Delta, View};

    fn keeper() -> Keeper {
        let credentials = NodeCredentials {
            node: model::NodeId::from_bits(2),
            cluster: model::ClusterId::from_bits(1),
            role: model::Role::Worker,
            certificate_pem: String::new(),
            key_pem: String::new(),
            root_pem: String::new(),
        };
        Keeper {
            credentials,
            control: None,
            managers: Vec::new(),
            told: Arc::default(),
            say: watch::channel(Seen::default()).0,
            known: BTreeSet::new(),
        }
    }

    #[test]
    fn a_task_is_reported_once_a_session() {
        let tasks = vec![Task {
            id: "t1".to_owned(),
            updated_at: 7,
        }];
        let mut keeper = keeper();
        let view = || Kind::View(View { tasks: tasks.clone() });
        assert_eq!(keeper.take(view()).len(), 1);
        let delta = Kind::Delta(Delta { tasks: tasks.clone() });
        assert_eq!(keeper.take(delta).len(), 0);
        assert_eq!(keeper.take(view()).len(), 1);
    }
}
