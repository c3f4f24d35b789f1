//! Opens a gRPC channel to a manager over mTLS.

use std::{io, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use thiserror::Error;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint, Uri};

use crate::clock;

/// How long one attempt to connect may take, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Idle span after which the transport asks whether the other end still lives.
const KEEPALIVE: Duration = Duration::from_secs(2);

/// A manager that could not be reached.
#[derive(Debug, Error)]
#[error("cannot reach manager {addr}: {reason}")]
pub struct ConnectError {
    /// `HOST:PORT` that was tried.
    pub addr: String,
    /// The innermost cause in words.
    pub reason: String,
}

/// Connects to the manager at `addr` (`HOST:PORT`). The name in the URI is a placeholder: peers are known by their
/// certificate, see [`crate::Accept`].
pub async fn connect(addr: &str, tls: Arc<ClientConfig>) -> Result<Channel, ConnectError> {
    let endpoint = Endpoint::from_static("http://manager.netctl")
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .keep_alive_while_idle(true);
    let target = addr.to_owned();
    let connector = tower::service_fn(move |_: Uri| {
        let attempt = timeout(CONNECT_TIMEOUT, dial(target.clone(), tls.clone()));
        async { attempt.await.unwrap_or_else(|_| Err(no_answer())) }
    });
    endpoint
        .connect_with_connector(connector)
        .await
        .map_err(|error| ConnectError {
            addr: addr.to_owned(),
            reason: innermost(&error),
        })
}

fn no_answer() -> io::Error {
    let words = format!("no answer within {} s", CONNECT_TIMEOUT.as_secs());
    no_way(io::Error::new(io::ErrorKind::TimedOut, words))
}

/// Nothing was heard from there. Who answers and is not trusted, or does not trust, needs other advice.
fn no_way(error: io::Error) -> io::Error {
    let advice = "is netd running there, and the port open to this host?";
    io::Error::new(error.kind(), format!("{error} ({advice})"))
}

async fn dial(addr: String, tls: Arc<ClientConfig>) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
    let stream = TcpStream::connect(&addr).await.map_err(no_way)?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("manager.netctl").map_err(io::Error::other)?;
    let stream = TlsConnector::from(tls)
        .connect(name, stream)
        .await
        .map_err(clock::in_words)?;
    Ok(TokioIo::new(stream))
}

/// The last error of a chain, which says what happened rather than where.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
