//! The control port: accepts connections, shakes hands in TLS, and hands them to the gRPC server with who is at the other
//! end. A slow or broken handshake holds up nobody else.

mod strangers;

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tonic::transport::server::Connected;

use peer::Subject;

use strangers::{Place, Strangers};

use crate::access::Caller;

pub(crate) use strangers::IsNode;

/// Time for a handshake, from its turn on.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Binds the control port, or says what is in the way and what helps.
pub(crate) async fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(addr).await.map_err(|why| {
        let hint = match why.kind() {
            io::ErrorKind::AddrInUse => {
                ": another program, or an engine in swarm mode, has this port. Choose another with --listen-addr"
            }
            io::ErrorKind::AddrNotAvailable => {
                ": this machine does not have that address. Choose one with --listen-addr"
            }
            _ => "",
        };
        io::Error::new(
            why.kind(),
            format!("cannot listen on control port {addr}/tcp: {why}{hint}"),
        )
    })
}

/// Accepts until the receiver is dropped. Where a node is, as `is_node` says, more may come from.
pub(crate) async fn accept(
    listener: TcpListener,
    config: watch::Receiver<Arc<ServerConfig>>,
    connections: mpsc::Sender<io::Result<TlsConnection>>,
    is_node: IsNode,
) {
    let strangers = Strangers::new(is_node);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = connections.closed() => return,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(why) => {
                // Out of file descriptors, most likely: wait for some to be closed.
                tracing::warn!(%why, "cannot accept on the control port");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(place) = strangers.place(from.ip()) else {
            tracing::debug!(%from, "too many connections without a certificate");
            continue;
        };
        // A renewed certificate counts for the next connection.
        let acceptor = TlsAcceptor::from(config.borrow().clone());
        let connections = connections.clone();
        tokio::spawn(async move {
            let turn = place.turn().await;
            let shaken = timeout(HANDSHAKE_TIMEOUT, shake_hands(acceptor, stream, from, place)).await;
            drop(turn);
            match shaken {
                Ok(Ok(connection)) => {
                    let _ = connections.send(Ok(connection)).await;
                }
                Ok(Err(why)) => tracing::info!(%from, %why, "handshake refused"),
                Err(_) => tracing::info!(%from, "handshake took too long"),
            }
        });
    }
}

async fn shake_hands(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    from: SocketAddr,
    place: Place,
) -> io::Result<TlsConnection> {
    stream.set_nodelay(true)?;
    let stream = acceptor.accept(stream).await?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let caller = Caller {
        from,
        subject: certificate.and_then(|der| Subject::of_der(der).ok()),
    };
    let place = match caller.subject {
        Some(_) => None,
        None => Some(place.without_certificate().ok_or_else(crowd)?),
    };
    Ok(TlsConnection {
        stream,
        caller,
        _place: place,
    })
}

fn crowd() -> io::Error {
    io::Error::other("too many connections without a certificate")
}

/// A connection whose other end is known.
#[derive(Debug)]
pub(crate) struct TlsConnection {
    stream: TlsStream<TcpStream>,
    caller: Caller,
    /// Given back at its end, if it has shown no certificate.
    _place: Option<Place>,
}

impl Connected for TlsConnection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller
    }
}

impl AsyncRead for TlsConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for TlsConnection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
