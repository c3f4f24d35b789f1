//! Asks other name servers. Their answers go back unread; only the message id is exchanged, so that a forged answer
//! has to guess both it and the port.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use super::Transport;

/// Wait for one upstream before the next is asked.
const PATIENCE: Duration = Duration::from_secs(2);
const PORT: u16 = 53;

/// The answer of the first of `servers` that answers, as a whole message; `None` if none does.
pub async fn ask(packet: &[u8], transport: Transport, servers: Vec<IpAddr>) -> Option<Vec<u8>> {
    let asked = packet.first_chunk::<2>()?;
    let mut fresh = [0; 2];
    getrandom::fill(&mut fresh).ok()?;
    let mut question = packet.to_vec();
    question[..2].copy_from_slice(&fresh);
    for server in servers {
        let server = SocketAddr::new(server, PORT);
        let answer = match transport {
            Transport::Udp => timeout(PATIENCE, over_udp(server, &question)).await,
            Transport::Tcp => timeout(PATIENCE, over_tcp(server, &question)).await,
        };
        match answer {
            Ok(Ok(mut answer)) => {
                answer.get_mut(..2)?.copy_from_slice(asked);
                return Some(answer);
            }
            Ok(Err(error)) => tracing::debug!(%server, %error, "upstream"),
            Err(_) => tracing::debug!(%server, "upstream does not answer"),
        }
    }
    None
}

async fn over_udp(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let any = match server.ip() {
        IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut answer = vec![0; 65_535];
    loop {
        let length = socket.recv(&mut answer).await?;
        if answer[..length].starts_with(&question[..2]) {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

async fn over_tcp(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    write_framed(&mut stream, question).await?;
    let answer = read_framed(&mut stream).await?;
    if answer.starts_with(&question[..2]) {
        Ok(answer)
    } else {
        Err(io::Error::other("answer to another question"))
    }
}

/// One message of a TCP stream: two bytes of length before it (RFC 1035, 4.2.2).
pub async fn read_framed(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut message = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

/// The same, written.
pub async fn write_framed(stream: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    let mut framed = Vec::with_capacity(message.len() + 2);
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(message);
    stream.write_all(&framed).await
}
