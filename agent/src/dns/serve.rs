//! The resolver's sockets: UDP and TCP port 53 at [`RESOLVER`].

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream, UdpSocket},
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use super::{RESOLVER, Resolver, Transport, forward};

const PORT: u16 = 53;
/// The address comes with the first pass of the network; until then binding is tried this often.
const RETRY: Duration = Duration::from_millis(200);
/// Questions that may be open at a time; further UDP ones wait in the socket's buffer.
const OPEN_QUESTIONS: usize = 1024;
/// A TCP client that is silent for longer is hung up on.
const IDLE: Duration = Duration::from_secs(10);

/// Serves until the handle is aborted.
pub fn serve(resolver: Resolver) -> JoinHandle<()> {
    tokio::spawn(async move {
        let address = SocketAddr::from((RESOLVER, PORT));
        let (udp, tcp) = bind(address).await;
        let open = Arc::new(Semaphore::new(OPEN_QUESTIONS));
        let mut loops = JoinSet::new();
        loops.spawn(serve_udp(resolver.clone(), Arc::new(udp), open.clone()));
        loops.spawn(serve_tcp(resolver, tcp, open));
        while loops.join_next().await.is_some() {}
    })
}

async fn bind(address: SocketAddr) -> (UdpSocket, TcpListener) {
    let mut said = false;
    loop {
        let bound = async { Ok::<_, io::Error>((UdpSocket::bind(address).await?, TcpListener::bind(address).await?)) };
        match bound.await {
            Ok(sockets) => return sockets,
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
            Err(error) if !said => {
                said = true;
                tracing::warn!(%address, %error, "the resolver cannot listen yet");
            }
            Err(_) => {}
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn serve_udp(resolver: Resolver, socket: Arc<UdpSocket>, open: Arc<Semaphore>) {
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

async fn serve_tcp(resolver: Resolver, listener: TcpListener, open: Arc<Semaphore>) {
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
            let _ = converse(&resolver, stream, source).await;
        });
    }
}

async fn converse(resolver: &Resolver, mut stream: TcpStream, source: SocketAddr) -> io::Result<()> {
    loop {
        let packet = timeout(IDLE, forward::read_framed(&mut stream)).await??;
        let Some(reply) = resolver.resolve(&packet, source.ip(), Transport::Tcp).await else {
            return Ok(());
        };
        forward::write_framed(&mut stream, &reply).await?;
    }
}
