//! The resolver's sockets: UDP and TCP port 53 in its own namespace, where [`super::RESOLVER`] is the only address.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    thread,
    time::Duration,
};

use nix::sched::{CloneFlags, setns};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UdpSocket},
    sync::{Semaphore, oneshot},
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use super::{PORT, Resolver, Transport, forward};
use crate::network::Namespace;

/// Before what failed is tried again: to listen, or to take in a client.
const RETRY: Duration = Duration::from_millis(200);
/// Questions over UDP that may be open at a time; further ones wait in the socket's buffer.
const OPEN_QUESTIONS: usize = 1024;
/// TCP clients at a time; each may stay for as long as it asks, so they are not counted with the questions.
const TCP_CLIENTS: usize = 256;
/// A TCP client that is silent, or does not take its answer, for longer is hung up on.
const IDLE: Duration = Duration::from_secs(10);

/// Serves in a namespace until the handle is aborted.
pub fn serve(resolver: Resolver, namespace: Namespace) -> JoinHandle<()> {
    tokio::spawn(async move {
        let (udp, tcp) = bind(&namespace).await;
        let mut loops = JoinSet::new();
        loops.spawn(serve_udp(resolver.clone(), Arc::new(udp)));
        loops.spawn(serve_tcp(resolver, tcp));
        while loops.join_next().await.is_some() {}
    })
}

async fn bind(namespace: &Namespace) -> (UdpSocket, TcpListener) {
    let mut said = false;
    loop {
        match listen(namespace.clone()).await {
            Ok(sockets) => return sockets,
            Err(error) if !said => {
                said = true;
                tracing::warn!(%error, "the resolver cannot listen yet");
            }
            Err(_) => {}
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// A socket belongs to the namespace of the thread that makes it, which is one of its own: it does not come back from there.
async fn listen(namespace: Namespace) -> io::Result<(UdpSocket, TcpListener)> {
    let (sender, sockets) = oneshot::channel();
    let there = move || drop(sender.send(listen_there(&namespace)));
    thread::Builder::new().name("resolver".to_owned()).spawn(there)?;
    let (udp, tcp) = sockets.await.map_err(io::Error::other)??;
    Ok((UdpSocket::from_std(udp)?, TcpListener::from_std(tcp)?))
}

fn listen_there(namespace: &Namespace) -> io::Result<(std::net::UdpSocket, std::net::TcpListener)> {
    setns(&**namespace, CloneFlags::CLONE_NEWNET)?;
    // The address itself comes with the first pass of the network.
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
    let (udp, tcp) = (std::net::UdpSocket::bind(any)?, std::net::TcpListener::bind(any)?);
    udp.set_nonblocking(true)?;
    tcp.set_nonblocking(true)?;
    Ok((udp, tcp))
}

async fn serve_udp(resolver: Resolver, socket: Arc<UdpSocket>) {
    let open = Arc::new(Semaphore::new(OPEN_QUESTIONS));
    let mut questions = JoinSet::new();
    let mut buffer = vec![0; 4096];
    while let Ok(permit) = open.clone().acquire_owned().await {
        while questions.try_join_next().is_some() {}
        let (length, source) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                // An earlier answer that could not be delivered.
                tracing::debug!(%error, "resolver");
                continue;
            }
        };
        let (packet, resolver, socket) = (buffer[..length].to_vec(), resolver.clone(), socket.clone());
        questions.spawn(async move {
            let _permit = permit;
            if let Some(reply) = resolver.resolve(&packet, source.ip(), Transport::Udp).await {
                let _ = socket.send_to(&reply, source).await;
            }
        });
    }
}

async fn serve_tcp(resolver: Resolver, listener: TcpListener) {
    let open = Arc::new(Semaphore::new(TCP_CLIENTS));
    let mut clients = JoinSet::new();
    while let Ok(permit) = open.clone().acquire_owned().await {
        while clients.try_join_next().is_some() {}
        let (stream, source) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "resolver");
                tokio::time::sleep(RETRY).await;
                continue;
            }
        };
        let resolver = resolver.clone();
        clients.spawn(async move {
            let _permit = permit;
            let _ = converse(&resolver, stream, source.ip()).await;
        });
    }
}

async fn converse(
    resolver: &Resolver,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    source: IpAddr,
) -> io::Result<()> {
    loop {
        let packet = timeout(IDLE, forward::read_framed(&mut stream)).await??;
        let Some(reply) = resolver.resolve(&packet, source, Transport::Tcp).await else {
            return Ok(());
        };
        timeout(IDLE, forward::write_framed(&mut stream, &reply)).await??;
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::RecordType;

    use super::{
        super::tests::{request, resolver},
        *,
    };

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_take_its_answer_is_hung_up_on() {
        let question = request("web.", RecordType::A);
        let (mut client, served) = tokio::io::duplex(question.len() + 2);
        forward::write_framed(&mut client, &question).await.unwrap();
        let ended = timeout(IDLE * 2, converse(&resolver(), served, [169, 254, 64, 7].into())).await;
        let error = ended.expect("in time").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
