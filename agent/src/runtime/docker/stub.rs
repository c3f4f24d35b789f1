//! An engine of a few words, for tests: what it answers to a path.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
};

/// It answers as long as the test's runtime lives.
pub(super) struct Stub {
    /// Its `unix://` address.
    pub host: String,
    /// The version of its API: 1 and this. Another one: the engine was replaced.
    pub minor: Arc<AtomicU32>,
    _folder: TempDir,
}

impl Stub {
    /// Answers each call with a status and a body, as `answer` says for its path without the version.
    pub fn answering(answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self::dying_at("nowhere", answer)
    }

    /// As [`Self::answering`], but it hangs up before the body of one path is complete.
    pub fn dying_at(cut: &'static str, answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let (answer, minor) = (Arc::new(answer), Arc::new(AtomicU32::new(41)));
        let now = minor.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (answer, minor) = (answer.clone(), now.load(Ordering::Relaxed));
                tokio::spawn(async move { serve(socket, (minor, cut), &*answer).await });
            }
        });
        Self {
            host: format!("unix://{}", path.display()),
            minor,
            _folder: folder,
        }
    }
}

async fn serve(
    mut socket: UnixStream,
    (minor, cut): (u32, &str),
    answer: &(dyn Fn(&str) -> (u16, String) + Send + Sync),
) {
    let (reader, mut writer) = socket.split();
    let mut head = BufReader::new(reader).lines();
    let first = head.next_line().await.ok().flatten().unwrap_or_default();
    while head
        .next_line()
        .await
        .is_ok_and(|line| line.is_some_and(|line| !line.is_empty()))
    {}
    let path = first.split_whitespace().nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    let version = format!("/v1.{minor}");
    let (status, body) = match path.strip_prefix(&version).unwrap_or(path) {
        path if path.ends_with("/version") => (200, format!(r#"{{"Version":"20.10.0","ApiVersion":"1.{minor}"}}"#)),
        path => answer(path),
    };
    let length = body.len() + usize::from(path.ends_with(cut));
    let answer = format!(
        "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let _ = writer.write_all(answer.as_bytes()).await;
}
