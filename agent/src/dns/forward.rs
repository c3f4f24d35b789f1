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
/// Response codes of a server that cannot, or will not, say; another one may (RFC 1035, 4.1.1).
const SERVER_FAILURE: u8 = 2;
const REFUSED: u8 = 5;

/// The answer of the first of `servers` that knows one, as a whole message; if none does, what the first one says that
/// says anything. `None`: nobody answers.
pub async fn ask(packet: &[u8], transport: Transport, servers: &[SocketAddr]) -> Option<Vec<u8>> {
    let asked = packet.first_chunk::<2>()?;
    let mut fresh = [0; 2];
    getrandom::fill(&mut fresh).ok()?;
    let mut question = packet.to_vec();
    question[..2].copy_from_slice(&fresh);
    let mut found: Option<Vec<u8>> = None;
    for server in servers {
        let Some(answer) = ask_one(*server, transport, &question).await else {
            continue;
        };
        if !is_declined(&answer) {
            found = Some(answer);
            break;
        }
        tracing::debug!(%server, "upstream declines");
        found.get_or_insert(answer);
    }
    let mut answer = found?;
    answer.get_mut(..2)?.copy_from_slice(asked);
    Some(answer)
}

fn is_declined(answer: &[u8]) -> bool {
    let code = answer.get(3).map(|flags| flags & 0x0f);
    code.is_none_or(|code| [SERVER_FAILURE, REFUSED].contains(&code))
}

async fn ask_one(server: SocketAddr, transport: Transport, question: &[u8]) -> Option<Vec<u8>> {
    let answer = match transport {
        Transport::Udp => timeout(PATIENCE, over_udp(server, question)).await,
        Transport::Tcp => timeout(PATIENCE, over_tcp(server, question)).await,
    };
    match answer {
        Ok(Ok(answer)) => return Some(answer),
        Ok(Err(error)) => tracing::debug!(%server, %error, "upstream"),
        Err(_) => tracing::debug!(%server, "upstream does not answer"),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A name server that says this to everything.
    async fn server(code: u8) -> SocketAddr {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut packet = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut packet).await {
                packet[3] = code;
                socket.send_to(&packet[..length], from).await.unwrap();
            }
        });
        addr
    }

    #[tokio::test]
    async fn a_server_that_cannot_say_is_not_the_last_one_asked() {
        const NO_SUCH_NAME: u8 = 3;
        for (codes, want) in [
            (&[SERVER_FAILURE, 0][..], Some(0)),
            (&[REFUSED, SERVER_FAILURE, NO_SUCH_NAME], Some(NO_SUCH_NAME)),
            (&[NO_SUCH_NAME, 0], Some(NO_SUCH_NAME)),
            (&[REFUSED, SERVER_FAILURE], Some(REFUSED)),
            (&[], None),
        ] {
            let mut servers = Vec::new();
            for code in codes {
                servers.push(server(*code).await);
            }
            let answer = ask(&[7; 12], Transport::Udp, &servers).await;
            assert!(answer.iter().all(|answer| answer[..2] == [7, 7]), "its own id");
            assert_eq!(answer.map(|answer| answer[3]), want, "{codes:?}");
        }
    }
}
