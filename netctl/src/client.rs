//! The way to the daemon: gRPC over its unix socket.

use std::{io, path::PathBuf};

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};
use wire::pb::{control_client::ControlClient, local_client::LocalClient};

use crate::failure::Failure;

/// Where the daemon listens if nothing else is said.
pub const DEFAULT_HOST: &str = "unix:///run/netctl/netctl.sock";
/// Environment variable that says otherwise.
pub const HOST_VARIABLE: &str = "NETCTL_HOST";

/// Largest answer, bytes: a list of all tasks of a large cluster is one message.
const MAX_ANSWER: usize = 1 << 30;

/// Connected stubs.
pub struct Client {
    /// What managers answer.
    pub control: ControlClient<Channel>,
    /// What every daemon answers.
    pub local: LocalClient<Channel>,
}

impl Client {
    /// Connects to `host`, `unix:///PATH`.
    pub async fn connect(host: &str) -> Result<Self, Failure> {
        let path = socket_path(host)?;
        // Once beforehand: the transport's own error does not say why it could not connect.
        UnixStream::connect(&path)
            .await
            .map_err(|error| unreachable(host, &error))?;
        let connector = tower::service_fn(move |_: Uri| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        // The address is never looked at: the connector knows where to go.
        let channel = Endpoint::from_static("http://netd.local")
            .connect_with_connector(connector)
            .await
            .map_err(|error| unreachable(host, &io::Error::other(error)))?;
        Ok(Self {
            control: ControlClient::new(channel.clone()).max_decoding_message_size(MAX_ANSWER),
            local: LocalClient::new(channel),
        })
    }
}

/// A fresh request id: lets the managers tell a retry from a second request.
pub fn request_id() -> String {
    model::RequestId::from_bits(random()).to_string()
}

/// 128 random bits; zero only if the system has none, which makes retries indistinguishable and nothing else.
pub fn random() -> u128 {
    let mut bytes = [0; 16];
    let _ = getrandom::fill(&mut bytes);
    u128::from_ne_bytes(bytes)
}

fn socket_path(host: &str) -> Result<PathBuf, Failure> {
    match host.strip_prefix("unix://") {
        Some(path) if path.starts_with('/') => Ok(path.into()),
        _ => Err(Failure::Wrong(format!(
            "invalid host \"{host}\": use unix:///PATH of the daemon's socket"
        ))),
    }
}

fn unreachable(host: &str, error: &io::Error) -> Failure {
    let detail = match error.kind() {
        io::ErrorKind::PermissionDenied => " (permission denied: be root or a member of group netctl)".to_owned(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => String::new(),
        _ => format!(" ({error})"),
    };
    Failure::Unreachable {
        host: host.to_owned(),
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_unix_sockets() {
        assert_eq!(
            socket_path(DEFAULT_HOST).unwrap(),
            PathBuf::from("/run/netctl/netctl.sock")
        );
        for bad in ["", "tcp://1.2.3.4:5", "unix://x", "/run/x"] {
            assert!(socket_path(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn an_absent_daemon_is_named_with_its_socket() {
        let failure = Client::connect("unix:///nonexistent/netctl.sock").await.err().unwrap();
        assert_eq!(
            failure.to_string(),
            "Cannot connect to the netctl daemon at unix:///nonexistent/netctl.sock. Is netd running?"
        );
    }
}
