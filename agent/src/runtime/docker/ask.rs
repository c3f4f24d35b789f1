//! Asks containers how they are: by connections from within their network namespace, and by commands in them (`command`).

use std::{
    fs::File,
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    thread,
    time::Duration,
};

use bollard::query_parameters::InspectContainerOptions;
use model::ProbeTarget;
use nix::sched::{CloneFlags, setns};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::oneshot,
    time::timeout,
};

use super::{Answer, DockerRuntime, RuntimeError, command::belongs_to};
use crate::runtime::{Question, Runtime};

/// Bytes of an answer's head that are read to find its status.
const HEAD: u64 = 1024;

/// An engine that is well answers the least of calls within this.
const ALIVE: Duration = Duration::from_secs(1);

impl DockerRuntime {
    /// What the engine says of the container instead of asking it is a bad answer; what says only how the engine is, is
    /// none.
    pub(super) async fn question(
        &self,
        container: &str,
        question: &Question,
        patience: Duration,
    ) -> Result<Answer, RuntimeError> {
        let answer = match question {
            Question::Probe { target, addr } => self.probe(container, target, *addr, patience).await,
            Question::Command { words } => self.command(container, words, patience).await,
        };
        match answer {
            Err(why) if !why.is_about_the_engine() => Ok(Err(why.to_string())),
            answer => answer,
        }
    }

    async fn probe(
        &self,
        container: &str,
        target: &ProbeTarget,
        addr: IpAddr,
        patience: Duration,
    ) -> Result<Answer, RuntimeError> {
        let namespace = timeout(patience, self.namespace(container)).await;
        let namespace = namespace.map_err(|_| self.silent())??;
        let asked = timeout(patience, probe(namespace, target, addr)).await;
        let answer = asked.unwrap_or_else(|_| Err(no_answer(patience)));
        // A container that is ill is asked on without the engine, which may hang as well.
        if answer.is_err() && !self.has_its_process(container) {
            self.forget_process(container);
        }
        Ok(answer)
    }

    async fn command(&self, container: &str, words: &[String], patience: Duration) -> Result<Answer, RuntimeError> {
        let Ok(ended) = timeout(patience, self.execute(container, words)).await else {
            // Either of both may be who does not answer.
            let alive = timeout(ALIVE, self.ping()).await;
            return alive.map_or_else(|_| Err(self.silent()), |alive| alive.map(|()| Err(no_answer(patience))));
        };
        Ok(match ended? {
            (0, _) => Ok(()),
            (code, output) if output.is_empty() => Err(format!("exit code {code}")),
            (code, output) => Err(format!("exit code {code}: {output}")),
        })
    }

    /// The process by which it is known is still one of its own.
    fn has_its_process(&self, container: &str) -> bool {
        let known = self.processes().get(container).copied();
        known.is_some_and(|process| belongs_to(container, process))
    }

    /// The container's network namespace, by its process, which stays the same as long as it runs.
    async fn namespace(&self, container: &str) -> Result<PathBuf, RuntimeError> {
        let known = self.processes().get(container).copied();
        let process = match known {
            Some(process) => process,
            None => {
                let options = None::<InspectContainerOptions>;
                let inspected = self.docker().await?.inspect_container(container, options).await;
                let state = inspected.map_err(|e| self.fault(e))?.state.unwrap_or_default();
                let process = state.pid.filter(|pid| *pid > 0);
                let process = process.ok_or_else(|| RuntimeError::Engine("its process does not run".to_owned()))?;
                self.processes().insert(container.to_owned(), process);
                process
            }
        };
        Ok(PathBuf::from(format!("/proc/{process}/ns/net")))
    }
}

fn no_answer(patience: Duration) -> String {
    format!("no answer within {patience:?}")
}

/// The last characters of a text.
pub(super) fn tail(text: &str, characters: usize) -> String {
    let skipped = text.chars().count().saturating_sub(characters);
    text.chars().skip(skipped).collect()
}

async fn probe(namespace: PathBuf, target: &ProbeTarget, addr: IpAddr) -> Answer {
    let (ProbeTarget::Tcp { port } | ProbeTarget::Http { port, .. }) = target;
    let stream = connect(namespace, SocketAddr::new(addr, *port))
        .await
        .map_err(|why| words(&why))?;
    match target {
        ProbeTarget::Tcp { .. } => Ok(()),
        ProbeTarget::Http { path, .. } => get(stream, addr, *port, path).await,
    }
}

/// An error without the number that the standard library puts behind it.
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        _ => error.to_string(),
    }
}

/// A connection within a network namespace. A socket stays in the namespace in which it is made; only a thread of its own
/// goes there.
async fn connect(namespace: PathBuf, to: SocketAddr) -> io::Result<TcpStream> {
    let (sender, made) = oneshot::channel();
    thread::Builder::new().name("probe".to_owned()).spawn(move || {
        let _ = sender.send(socket_in(&namespace, to.is_ipv4()));
    })?;
    let socket = made.await.map_err(io::Error::other)??;
    socket.connect(to).await
}

fn socket_in(namespace: &std::path::Path, v4: bool) -> io::Result<TcpSocket> {
    setns(File::open(namespace)?, CloneFlags::CLONE_NEWNET)?;
    if v4 { TcpSocket::new_v4() } else { TcpSocket::new_v6() }
}

/// GET over HTTP/1.1, of whose answer only the status counts.
async fn get(mut stream: TcpStream, addr: IpAddr, port: u16, path: &str) -> Answer {
    let host = SocketAddr::new(addr, port);
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: netctl-probe\r\nConnection: close\r\n\r\n");
    let mut head = Vec::new();
    let asked = async {
        stream.write_all(request.as_bytes()).await?;
        let mut chunk = [0; HEAD as usize];
        while !head.contains(&b'\n') && (head.len() as u64) < HEAD {
            match stream.read(&mut chunk).await? {
                0 => break,
                length => head.extend_from_slice(&chunk[..length]),
            }
        }
        Ok::<_, io::Error>(())
    };
    asked.await.map_err(|why| words(&why))?;
    match status(&head) {
        Some(200..=399) => Ok(()),
        Some(status) => Err(format!("status {status}")),
        None => Err("the answer is no HTTP".to_owned()),
    }
}

fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split_whitespace();
    words.next().filter(|version| version.starts_with("HTTP/"))?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::{TcpListener, UnixListener};

    use super::*;

    /// Answers one connection with `answer`; its port.
    async fn server(answer: &'static str) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 512];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        });
        port
    }

    async fn asked(target: ProbeTarget) -> Result<(), String> {
        // The own namespace needs no rights to be left out of.
        let (ProbeTarget::Tcp { port } | ProbeTarget::Http { port, .. }) = target;
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .map_err(|why| words(&why))?;
        match &target {
            ProbeTarget::Tcp { .. } => Ok(()),
            ProbeTarget::Http { path, .. } => get(stream, Ipv4Addr::LOCALHOST.into(), port, path).await,
        }
    }

    #[tokio::test]
    async fn the_status_decides() {
        for (answer, want) in [
            ("HTTP/1.1 204 No Content\r\n\r\n", Ok(())),
            ("HTTP/1.0 302 Found\r\n\r\n", Ok(())),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", Err("status 503".to_owned())),
            ("SSH-2.0-x\r\n", Err("the answer is no HTTP".to_owned())),
        ] {
            let port = server(answer).await;
            let path = "/healthz".to_owned();
            assert_eq!(asked(ProbeTarget::Http { port, path }).await, want, "{answer}");
        }
        let port = server("").await;
        assert_eq!(asked(ProbeTarget::Tcp { port }).await, Ok(()));
        let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        assert_eq!(
            asked(ProbeTarget::Tcp { port: closed }).await,
            Err("connection refused".to_owned())
        );
    }

    #[tokio::test]
    async fn what_an_engine_that_is_gone_or_hangs_does_not_pass_on_is_no_answer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        let host = format!("unix://{}", path.display());
        let addr = Ipv4Addr::LOCALHOST.into();
        let probe = Question::Probe {
            target: ProbeTarget::Tcp { port: 1 },
            addr,
        };
        let words = vec!["true".to_owned()];
        let questions = [probe, Question::Command { words }];
        let asked = async |question: &Question| {
            let engine = DockerRuntime::new(&host);
            let patience = Duration::from_millis(100);
            engine.question("c1", question, patience).await.unwrap_err()
        };
        for question in &questions {
            assert!(matches!(asked(question).await, RuntimeError::Unreachable { .. }));
        }
        let _hangs = UnixListener::bind(&path).unwrap();
        for question in &questions {
            assert!(matches!(asked(question).await, RuntimeError::Silent { .. }));
        }
    }

    #[tokio::test]
    async fn a_process_is_known_as_long_as_it_is_of_its_container() {
        let engine = DockerRuntime::new("unix:///nowhere");
        let process = i64::from(std::process::id());
        let cgroup = std::fs::read_to_string("/proc/self/cgroup").unwrap();
        // A test has no container of its own; what names its process stands for one.
        for (container, stays) in [(cgroup.as_str(), true), ("another", false)] {
            engine.processes().insert(container.to_owned(), process);
            let target = ProbeTarget::Tcp { port: 1 };
            let addr = Ipv4Addr::LOCALHOST.into();
            let answer = engine.probe(container, &target, addr, Duration::from_secs(5)).await;
            assert!(
                answer.unwrap().is_err(),
                "nobody listens there, or the namespace is not ours to enter"
            );
            assert_eq!(engine.processes().contains_key(container), stays);
        }
    }

    #[test]
    fn the_end_of_an_output_is_kept() {
        assert_eq!(tail("größer", 3), "ßer");
        assert_eq!(tail("ab", 3), "ab");
    }
}
