//! The process of one manager: nothing but the manager, so that its memory is a manager's. It says `done` when it is up
//! and after each command on its input, and ends when that is closed, so that it never outlives who started it.

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use manager::{InitParams, KnownManager, Manager, ManagerConfig, ManagerHandle};
use model::{Availability, Role, TaskState};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    time::sleep,
};

use super::{read, written};
use crate::commit;

/// Between two looks at how many tasks run.
const LOOK: Duration = Duration::from_millis(50);

/// Which manager.
#[derive(Clone, Debug, clap::Args)]
pub struct Seat {
    /// Where it keeps its state, and where its credentials are or will be
    #[arg(long)]
    pub folder: PathBuf,
    /// Its control port
    #[arg(long)]
    pub addr: SocketAddr,
    /// Its raft id, if it joins; else it founds a cluster
    #[arg(long)]
    pub member: Option<u64>,
}

impl Seat {
    /// Credentials, and what else is handed over.
    pub fn letter(&self) -> PathBuf {
        self.folder.join("letter.json")
    }
}

/// Runs until standard input ends.
pub fn run(seat: &Seat) -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let manager = start(seat).await?;
        println!("done");
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Some(line) = lines.next_line().await? {
            obey(&manager, &line).await.with_context(|| line.clone())?;
            println!("done");
        }
        manager.shutdown().await;
        Ok(())
    })
}

async fn start(seat: &Seat) -> Result<ManagerHandle> {
    let config = ManagerConfig {
        data_root: seat.folder.clone(),
        listen_addr: seat.addr,
        advertise_addr: seat.addr,
        hints: manager::Hints::default(),
    };
    let Some(member) = seat.member else {
        let init = InitParams {
            availability: Availability::Drain,
            ..InitParams::new()
        };
        let (manager, credentials) = Manager::bootstrap(config, init).await?;
        let mut letter = written(&credentials);
        for role in [Role::Worker, Role::Manager] {
            letter[role.word()] = manager.join_token(role).context("no tokens")?.into();
        }
        fs::write(seat.letter(), serde_json::to_vec(&letter)?)?;
        return Ok(manager);
    };
    let letter: serde_json::Value = serde_json::from_slice(&fs::read(seat.letter())?)?;
    let manager = Manager::join(config, read(&letter)?, member).await?;
    let known = letter["first"].as_object().context("no first manager")?;
    let text = |name: &str| known[name].as_str().with_context(|| format!("no {name}"));
    manager.tell_managers(vec![KnownManager {
        member: 1,
        node: text("node")?.parse()?,
        addr: text("addr")?.parse()?,
    }]);
    Ok(manager)
}

async fn obey(manager: &ManagerHandle, line: &str) -> Result<()> {
    match line.split_whitespace().collect::<Vec<_>>().as_slice() {
        // Figures of a group of so many.
        ["commit", managers] => commit::figures(manager, managers.parse()?).await,
        // Waits until so many tasks run.
        ["running", count] => {
            let count = count.parse()?;
            let running = || {
                let view = manager.view();
                let all = view.tasks();
                all.filter(|task| task.status.state == TaskState::Running).count()
            };
            while running() < count {
                sleep(LOOK).await;
            }
            // Grows with each election: one of them while it was measured, and the figures are of something else.
            let term = manager.proposer().published().borrow().standing.term;
            crate::figure::tell("raft_term", term as f64, "terms");
            Ok(())
        }
        _ => bail!("not known"),
    }
}
