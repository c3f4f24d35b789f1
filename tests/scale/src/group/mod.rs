//! The real thing: managers as processes of their own, Raft on disk, mTLS on the loopback device, and agents that join by
//! a token and hold real sessions. What is virtual is the containers: an agent reports what it is told to run as running.

mod agent;
mod host;
mod join;
mod load;
mod process;

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result};
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
const JOINING: usize = 16;
/// A new manager has this long to become one that votes.
const VOTING: Duration = Duration::from_secs(60);

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
    group.managers[0].figures(&format!("commit {}", size.managers)).await?;
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
        let member = agent.member(VOTING).await?;
        self.agents.push(agent);
        let manager = ManagerProcess::join(folder, addr, credentials, member, first).await?;
        self.managers.push(manager);
        self.voters().await
    }

    fn addrs(&self) -> Vec<SocketAddr> {
        self.managers.iter().map(|manager| manager.addr).collect()
    }

    /// Waits until all managers vote.
    async fn voters(&self) -> Result<()> {
        let first = &self.managers[0];
        let channel = join::channel(&first.credentials, first.addr).await?;
        let mut asked = RaftTransportClient::new(channel);
        let began = std::time::Instant::now();
        loop {
            let members = asked
                .members(pb::MembersRequest {})
                .await
                .map(tonic::Response::into_inner);
            if members.is_ok_and(|members| members.voters.len() == self.managers.len()) {
                return Ok(());
            }
            anyhow::ensure!(began.elapsed() < VOTING, "the managers do not become voters");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// That many workers join, and open their sessions.
    async fn admit(&mut self, count: usize) -> Result<()> {
        let (first, addrs) = (&self.managers[0], self.addrs());
        let token = first.token(Role::Worker)?;
        let began = std::time::Instant::now();
        let joining = (0..count).map(|_| join::admitted(&first.credentials, first.addr, &token, "", true));
        let mut joined = stream::iter(joining).buffer_unordered(JOINING);
        while let Some(credentials) = joined.next().await {
            let agent = Agent::start(credentials?, None, addrs.clone(), self.told.clone());
            self.agents.push(agent);
        }
        for agent in &mut self.agents {
            agent.in_session(VOTING).await?;
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
