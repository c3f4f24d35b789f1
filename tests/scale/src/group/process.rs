//! The process of one manager, from outside.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use manager::NodeCredentials;
use model::Role;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::{Seat, read, written};

/// Longest wait for a manager's answer. It has limits of its own for what it waits for; past this, it hangs.
const LONGEST: Duration = Duration::from_secs(1200);

/// See the module. Ends with its input, at the latest when dropped.
pub struct ManagerProcess {
    pub addr: SocketAddr,
    pub credentials: NodeCredentials,
    letter: Value,
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

/// A free port of the loopback device.
pub fn free_addr() -> Result<SocketAddr> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

fn start(seat: &Seat) -> Result<(Child, ChildStdin, Lines<BufReader<ChildStdout>>)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("manager").arg("--folder").arg(&seat.folder);
    command.arg("--addr").arg(seat.addr.to_string());
    command.args(
        seat.member
            .iter()
            .flat_map(|id| ["--member".to_owned(), id.to_string()]),
    );
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().context("starting a manager")?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let output = BufReader::new(output.context("no output")?).lines();
    Ok((child, input.context("no input")?, output))
}

impl ManagerProcess {
    /// The first one of a new cluster.
    pub async fn found(folder: &Path) -> Result<Self> {
        let seat = seat(folder, free_addr()?, None)?;
        let (child, input, mut output) = start(&seat)?;
        ensure!(
            answer(&mut output).await?.is_empty(),
            "a manager says more than it should"
        );
        let letter: Value = serde_json::from_slice(&fs::read(seat.letter())?)?;
        Ok(Self {
            addr: seat.addr,
            credentials: read(&letter)?,
            letter,
            child,
            input,
            output,
        })
    }

    /// One that raft has taken in as `member`, at the manager `first`.
    pub async fn join(
        folder: &Path,
        addr: SocketAddr,
        credentials: NodeCredentials,
        member: u64,
        first: &Self,
    ) -> Result<Self> {
        let seat = seat(folder, addr, Some(member))?;
        let mut letter = written(&credentials);
        letter["first"] = json!({ "node": first.credentials.node, "addr": first.addr.to_string() });
        fs::write(seat.letter(), serde_json::to_vec(&letter)?)?;
        let (child, input, mut output) = start(&seat)?;
        answer(&mut output).await?;
        Ok(Self {
            addr,
            credentials,
            letter,
            child,
            input,
            output,
        })
    }

    /// The join token of the cluster that this manager founded.
    pub fn token(&self, role: Role) -> Result<String> {
        let token = self.letter[role.word()].as_str();
        Ok(token.context("only the founder has the tokens")?.to_owned())
    }

    /// Lets it carry out a command; the lines that it prints.
    async fn carry_out(&mut self, command: &str) -> Result<Vec<String>> {
        self.input.write_all(format!("{command}\n").as_bytes()).await?;
        self.input.flush().await?;
        answer(&mut self.output).await.with_context(|| command.to_owned())
    }

    /// Lets it carry out a command, and passes on the figures that it prints.
    pub async fn figures(&mut self, command: &str) -> Result<()> {
        for line in self.carry_out(command).await? {
            println!("{line}");
        }
        Ok(())
    }

    /// Raft's term: it grows with each election.
    pub async fn term(&mut self) -> Result<u64> {
        let lines = self.carry_out("term").await?;
        let line = lines.first().context("a manager does not say its term")?;
        line.parse()
            .with_context(|| format!("a manager says of its term {line:?}"))
    }

    /// A field of `/proc/PID/status`, in MiB.
    pub fn memory(&self, field: &str) -> Result<f64> {
        let id = self.child.id().context("a manager has ended")?;
        crate::figure::memory(&id.to_string(), field)
    }

    pub async fn end(self) -> Result<()> {
        let Self {
            mut child,
            input,
            output,
            ..
        } = self;
        drop((input, output));
        ensure!(child.wait().await?.success(), "a manager fails");
        Ok(())
    }
}

fn seat(folder: &Path, addr: SocketAddr, member: Option<u64>) -> Result<Seat> {
    fs::create_dir_all(folder)?;
    let folder = PathBuf::from(folder);
    Ok(Seat { folder, addr, member })
}

/// The lines before `done`.
async fn answer(output: &mut Lines<BufReader<ChildStdout>>) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let line = timeout(LONGEST, output.next_line())
            .await
            .with_context(|| format!("a manager has said nothing for {} s", LONGEST.as_secs()))?;
        let line = line?.context("a manager has ended; its last words are above")?;
        if line == "done" {
            return Ok(lines);
        }
        lines.push(line);
    }
}
