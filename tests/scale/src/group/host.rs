//! The process of one manager: nothing but the manager, so that its memory is a manager's. It says `done` when it is up
//! and after each command on its input, and ends when that is closed, so that it never outlives who started it.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use manager::{InitParams, KnownManager, Manager, ManagerConfig, ManagerHandle};
use model::{Availability, Role, Task, TaskState};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    time::sleep,
};

use super::{PATIENCE, read, still::Still, written};
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
        ["running", count] => running(manager, count.parse()?).await,
        // Grows with each election.
        ["term"] => {
            println!("{}", manager.proposer().published().borrow().standing.term);
            Ok(())
        }
        _ => bail!("not known"),
    }
}

async fn running(manager: &ManagerHandle, wanted: usize) -> Result<()> {
    let (mut most, mut still) = (0, Still::at(0, Instant::now()));
    loop {
        let view = manager.view();
        let runs = view.tasks().filter(|task| task.status.state == TaskState::Running);
        most = runs.count().max(most);
        if most >= wanted {
            return Ok(());
        }
        if still.look(most as u64, Instant::now()) > PATIENCE {
            let seconds = PATIENCE.as_secs();
            bail!(
                "{most} of {wanted} tasks run, and no more since {seconds} s: {}",
                lacking(view.tasks())
            );
        }
        sleep(LOOK).await;
    }
}

/// A task that does not run.
fn lacking<'a>(mut tasks: impl Iterator<Item = &'a Task>) -> String {
    let Some(task) = tasks.find(|task| task.status.state != TaskState::Running) else {
        return "all that were made do".to_owned();
    };
    let node = task.node.map_or("no node".to_owned(), |node| format!("node {node}"));
    format!(
        "task {} of {}, for one, on {node}, is {}",
        task.id,
        task.service_name,
        task.status.state.word()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Cluster;

    #[test]
    fn a_task_that_does_not_run_is_named() {
        let mut cluster = Cluster::with_nodes(1).unwrap();
        assert_eq!(lacking(cluster.state.tasks()), "all that were made do");
        cluster.services(1, 1, false).unwrap();
        cluster.settle().unwrap();
        let words = lacking(cluster.state.tasks());
        let task = cluster.state.tasks().next().unwrap();
        let (id, node) = (task.id, task.node.unwrap());
        let named = format!("task {id} of service-0, for one, on node {node}, is assigned");
        assert_eq!(words.to_lowercase(), named);
    }
}
