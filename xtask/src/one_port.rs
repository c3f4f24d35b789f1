//! One client port, several servers at the same time: what a routing mesh must
//! keep apart although the tuples look the same behind it.
//!
//! Run by the demo in the client's namespace as a hidden subcommand, because
//! std cannot bind a TCP socket before it connects.

use anyhow::{Context, Result, bail};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt::ReuseAddr,
};
use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(5);
const ROUNDS: usize = 5;

/// Opens one TCP connection from `port` to each server, all open at once, then
/// asks each for its page and prints the answers.
///
/// # Errors
/// A connection fails, or an answer is no page.
pub fn tcp(port: u16, servers: &[SocketAddrV4]) -> Result<()> {
    let mut streams = Vec::new();
    for server in servers {
        streams.push(open(port, *server).with_context(|| format!("{server} from port {port}"))?);
    }
    for stream in &mut streams {
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.write_all(b"GET /one-port HTTP/1.0\r\n\r\n")?;
    }
    for (stream, server) in streams.iter_mut().zip(servers) {
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .with_context(|| format!("no answer from {server}"))?;
        if !answer.contains(" 200 ") {
            bail!("{server} answered: {}", answer.lines().next().unwrap_or("nothing"));
        }
        println!("{server} answered {} bytes", answer.len());
    }
    Ok(())
}

/// One UDP socket at `port`, numbered datagrams to each echo server in turn;
/// every echo must come from the server that was asked.
///
/// # Errors
/// An echo is missing or comes from somebody else.
pub fn udp(port: u16, servers: &[SocketAddrV4]) -> Result<()> {
    let socket = UdpSocket::bind(("0.0.0.0", port))?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    for round in 0..ROUNDS {
        for server in servers {
            socket.send_to(format!("{round} {server}").as_bytes(), server)?;
        }
        for _ in servers {
            let mut buffer = [0u8; 64];
            let (length, from) = socket.recv_from(&mut buffer).context("an echo is missing")?;
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text != format!("{round} {from}") {
                bail!("{from} sent the echo of {text:?}");
            }
        }
    }
    println!("{} echoes, each from the server that was asked", ROUNDS * servers.len());
    Ok(())
}

fn open(port: u16, server: SocketAddrV4) -> Result<TcpStream> {
    let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, ReuseAddr, &true)?;
    bind(socket.as_raw_fd(), &SockaddrIn::new(0, 0, 0, 0, port))?;
    connect(socket.as_raw_fd(), &SockaddrIn::from(server))?;
    Ok(TcpStream::from(socket))
}
