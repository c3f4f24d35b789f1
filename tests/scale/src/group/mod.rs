//! The real thing: managers as processes of their own, Raft on disk, mTLS on the loopback device, and agents that join by
//! a token and hold real sessions. What is virtual is the containers: an agent reports what it is told to run as running.

mod agent;
mod down;
mod host;
mod join;
mod load;
mod process;
mod still;

use std::{
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt as _, stream};
use manager::NodeCredentials;
use model::Role;
use tokio::time::sleep;
use wire::pb::{self, raft_transport_client::RaftTransportClient};

use crate::figure;
use agent::{Agent, Told};
use process::ManagerProcess;

pub use host::{Seat, run as host};

/// Agents that join at a time.
const JOINING: usize = 8;
/// Longest wait for the next thing that has to come; the machine may be busy with other things.
const PATIENCE: Duration = Duration::from_secs(120);
/// Until a call that found no leader is repeated.
const AGAIN: Duration = Duration::from_millis(200);

/// How much of everything.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Size {
    /// Managers, each a process
    #[arg(long, default_value_t = 3)]
    pub managers: usize,
    /// Agents besides those of the managers' nodes, which take no tasks
    #[arg(long, default_value_t = 1_000)]
    pub agents: usize,
    /// Services, each in a network of its own
    #[arg(long, default_value_t = 1_000)]
    pub services: usize,
    /// Tasks of each service
    #[arg(long, default_value_t = 30)]
    pub replicas: u32,
}

/// Runs managers in `folder`.
pub fn measure(folder: &Path, size: Size) -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(run(folder, size))
}

async fn run(folder: &Path, size: Size) -> Result<()> {
    let folder = tempfile::tempdir_in(folder)?;
    let mut group = Group::of(folder.path(), size.managers).await?;
    let leader = group.leader().await?;
    let commit = format!("commit {}", size.managers);
    group.managers[leader].figures(&commit).await?;
    group.admit(size.agents).await?;
    load::measure(&mut group, size).await?;
    group.memory(size)?;
    group.end().await
}

/// Managers that vote, and the agents of all nodes.
struct Group {
    managers: Vec<ManagerProcess>,
    agents: Vec<Agent>,
    told: Arc<Told>,
}

impl Group {
    async fn of(folder: &Path, count: usize) -> Result<Self> {
        let told = Arc::new(Told::default());
        let first = ManagerProcess::found(&folder.join("m1")).await?;
        let agent = Agent::start(
            first.credentials.clone(),
            Some(first.addr),
            vec![first.addr],
            told.clone(),
        );
        let mut group = Self {
            managers: vec![first],
            agents: vec![agent],
            told,
        };
        while group.managers.len() < count {
            let folder = folder.join(format!("m{}", group.managers.len() + 1));
            group.grow(&folder).await?;
        }
        Ok(group)
    }

    /// One more manager.
    async fn grow(&mut self, folder: &Path) -> Result<()> {
        let first = &self.managers[0];
        let addr = process::free_addr()?;
        let token = first.token(Role::Manager)?;
        let credentials = join::admitted(&first.credentials, first.addr, &token, &addr.to_string(), false).await?;
        let mut agent = Agent::start(credentials.clone(), Some(addr), self.addrs(), self.told.clone());
        let member = agent.member(PATIENCE).await?;
        self.agents.push(agent);
        let manager = ManagerProcess::join(folder, addr, credentials, member, first).await?;
        self.managers.push(manager);
        self.leader().await.map(drop)
    }

    fn addrs(&self) -> Vec<SocketAddr> {
        self.managers.iter().map(|manager| manager.addr).collect()
    }

    /// The manager that leads, once it has all of them as voters.
    async fn leader(&self) -> Result<usize> {
        let began = Instant::now();
        loop {
            for (at, manager) in self.managers.iter().enumerate() {
                if self
                    .votes(manager)
                    .await
                    .is_ok_and(|votes| votes == self.managers.len())
                {
                    return Ok(at);
                }
            }
            ensure!(began.elapsed() < PATIENCE, "no leader with all managers as voters");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// How many vote; only the leader says so.
    async fn votes(&self, asked: &ManagerProcess) -> Result<usize> {
        let channel = join::channel(&self.managers[0].credentials, asked.addr).await?;
        let members = RaftTransportClient::new(channel).members(pb::MembersRequest {}).await?;
        Ok(members.into_inner().voters.len())
    }

    /// That many workers join, and open their sessions.
    async fn admit(&mut self, count: usize) -> Result<()> {
        let (first, addrs) = (&self.managers[0], self.addrs());
        let token = first.token(Role::Worker)?;
        let began = Instant::now();
        let join = || join::admitted(&first.credentials, first.addr, &token, "", true);
        let mut joined = stream::iter((0..count).map(|_| persistently(join))).buffer_unordered(JOINING);
        while let Some(credentials) = joined.next().await {
            let agent = Agent::start(credentials?, None, addrs.clone(), self.told.clone());
            self.agents.push(agent);
        }
        for agent in &mut self.agents {
            agent.in_session(PATIENCE).await?;
        }
        figure::rate(&format!("join_{count}_agents"), count, began.elapsed());
        Ok(())
    }

    /// The fattest manager.
    fn memory(&self, size: Size) -> Result<()> {
        for (what, field) in [("resident", "VmRSS:"), ("peak", "VmHWM:")] {
            let all = self.managers.iter().map(|manager| manager.memory(field));
            let all = all.collect::<Result<Vec<f64>>>()?;
            let most = all.into_iter().fold(0.0, f64::max);
            figure::tell(&format!("{}_manager_{what}", load::name(size)), most, "MiB");
        }
        Ok(())
    }

    async fn end(mut self) -> Result<()> {
        self.agents.clear();
        for manager in self.managers {
            manager.end().await.context("ending a manager")?;
        }
        Ok(())
    }
}

/// Repeats a call until it succeeds or patience ends: leaders may change while the machine is busy.
async fn persistently<T>(mut call: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let began = Instant::now();
    loop {
        match call().await {
            Err(why) if began.elapsed() < PATIENCE => eprintln!("again: {why:#}"),
            outcome => return outcome,
        }
        sleep(AGAIN).await;
    }
}

/// Credentials as they are handed to the process of a manager.
fn written(credentials: &NodeCredentials) -> serde_json::Value {
    serde_json::json!({
        "node": credentials.node,
        "cluster": credentials.cluster,
        "certificate": credentials.certificate_pem,
        "key": credentials.key_pem,
        "root": credentials.root_pem,
    })
}

fn read(value: &serde_json::Value) -> Result<NodeCredentials> {
    let text = |name: &str| value[name].as_str().with_context(|| format!("no {name}"));
    Ok(NodeCredentials {
        node: text("node")?.parse()?,
        cluster: text("cluster")?.parse()?,
        role: Role::Manager,
        certificate_pem: text("certificate")?.to_owned(),
        key_pem: text("key")?.to_owned(),
        root_pem: text("root")?.to_owned(),
    })
}
