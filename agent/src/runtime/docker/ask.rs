//! Asks containers how they are: by connections from within their network namespace, and by commands in them (`command`).

use std::{fs::File, io, net::SocketAddr, path::PathBuf, thread};

use bollard::query_parameters::InspectContainerOptions;
use model::ProbeTarget;
use nix::sched::{CloneFlags, setns};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::oneshot,
};

use super::{DockerRuntime, RuntimeError};
use crate::runtime::Question;

/// Bytes of an answer's head that are read to find its status.
const HEAD: u64 = 1024;

impl DockerRuntime {
    pub(super) async fn question(&self, container: &str, question: &Question) -> Result<(), String> {
        match question {
            Question::Probe { target, addr } => {
                let namespace = self.namespace(container).await.map_err(|why| why.to_string())?;
                let asked = probe(namespace, target, *addr).await;
                if asked.is_err() {
                    self.forget_process(container);
                }
                asked
            }
            Question::Command { words } => match self.execute(container, words).await {
                Ok((0, _)) => Ok(()),
                Ok((code, output)) if output.is_empty() => Err(format!("exit code {code}")),
                Ok((code, output)) => Err(format!("exit code {code}: {output}")),
                Err(why) => Err(why.to_string()),
            },
        }
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

/// The last characters of a text.
pub(super) fn tail(text: &str, characters: usize) -> String {
    let skipped = text.chars().count().saturating_sub(characters);
    text.chars().skip(skipped).collect()
}

async fn probe(namespace: PathBuf, target: &ProbeTarget, addr: std::net::IpAddr) -> Result<(), String> {
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
async fn get(mut stream: TcpStream, addr: std::net::IpAddr, port: u16, path: &str) -> Result<(), String> {
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

    use tokio::net::TcpListener;

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

    #[test]
    fn the_end_of_an_output_is_kept() {
        assert_eq!(tail("größer", 3), "ßer");
        assert_eq!(tail("ab", 3), "ab");
    }
}
