//! Servers and clients: one question, one answer.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    os::fd::{AsRawFd, OwnedFd},
    time::Duration,
};

use anyhow::{Context, Result};
use model::Protocol;
use nix::sys::{
    socket::{
        AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, bind, connect, recv, sendto, setsockopt,
        socket, sockopt,
    },
    time::TimeVal,
};

use crate::Ns;

/// How long anything may take; what is refused silently takes as long.
const PATIENCE: Duration = Duration::from_secs(2);

/// Starts servers for TCP and UDP in a namespace. They answer every question with `NAME ADDRESS-OF-THE-ASKER`, a TCP
/// connection as long as it lasts. They end with the process.
pub fn serve(ns: &Ns, port: u16, name: &str) -> Result<()> {
    let address = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port);
    let (tcp, udp) = ns.run(|| Ok::<_, std::io::Error>((TcpListener::bind(address)?, UdpSocket::bind(address)?)))?;
    let label = name.to_owned();
    std::thread::spawn(move || {
        for stream in tcp.incoming().flatten() {
            let label = label.clone();
            std::thread::spawn(move || answer(stream, &label));
        }
    });
    let label = name.to_owned();
    std::thread::spawn(move || {
        let mut question = [0; 65536];
        while let Ok((length, from)) = udp.recv_from(&mut question) {
            let _ = udp.send_to(reply(&label, from, &question[..length]).as_bytes(), from);
        }
    });
    Ok(())
}

fn reply(label: &str, from: SocketAddr, question: &[u8]) -> String {
    format!("{label} {from} {}", String::from_utf8_lossy(question))
}

fn answer(mut stream: TcpStream, label: &str) {
    let Ok(from) = stream.peer_addr() else {
        return;
    };
    let mut question = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut question) {
        if stream
            .write_all(reply(label, from, &question[..length]).as_bytes())
            .is_err()
        {
            return;
        }
    }
}

/// Asks once; the answer's name and the address that the server saw.
pub fn ask(ns: &Ns, protocol: Protocol, to: Ipv4Addr, port: u16) -> Result<(String, SocketAddr)> {
    ask_from(ns, protocol, 0, to, port)
}

/// As [`ask`], from a source port.
pub fn ask_from(ns: &Ns, protocol: Protocol, from: u16, to: Ipv4Addr, port: u16) -> Result<(String, SocketAddr)> {
    let target = SocketAddrV4::new(to, port);
    let text = ns.run(|| match protocol {
        Protocol::Tcp => ask_tcp(from, target),
        Protocol::Udp => ask_udp(from, target),
    });
    let text = text.with_context(|| format!("{protocol} {target}"))?;
    let mut words = text.split_whitespace();
    let name = words.next().context("an empty answer")?.to_owned();
    let seen = words.next().context("no address in the answer")?.parse()?;
    Ok((name, seen))
}

/// Whether anybody answers.
pub fn try_ask(ns: &Ns, protocol: Protocol, to: Ipv4Addr, port: u16) -> Option<String> {
    ask(ns, protocol, to, port).ok().map(|(name, _)| name)
}

fn ask_udp(from: u16, to: SocketAddrV4) -> std::io::Result<String> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, from))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(to)?;
    socket.send(b"?")?;
    let mut answer = [0; 256];
    let length = socket.recv(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

fn ask_tcp(from: u16, to: SocketAddrV4) -> std::io::Result<String> {
    let mut stream = open(from, to)?;
    stream.write_all(b"?")?;
    let mut answer = [0; 256];
    let length = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

/// A connection from a chosen source port (0: any), which several connections may share.
pub fn open(from: u16, to: SocketAddrV4) -> std::io::Result<TcpStream> {
    if from == 0 {
        let stream = TcpStream::connect_timeout(&to.into(), PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        return Ok(stream);
    }
    let fd: OwnedFd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    setsockopt(&fd, sockopt::SendTimeout, &TimeVal::new(PATIENCE.as_secs() as i64, 0))?;
    bind(fd.as_raw_fd(), &SockaddrIn::new(0, 0, 0, 0, from))?;
    connect(fd.as_raw_fd(), &SockaddrIn::from(to))?;
    let stream = TcpStream::from(fd);
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Whether an address answers one echo request (RFC 792).
pub fn ping(ns: &Ns, to: Ipv4Addr) -> Result<bool> {
    ns.run(|| {
        let fd = socket(
            AddressFamily::Inet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::Icmp,
        )?;
        setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::new(1, 0))?;
        // Type 8, code 0, checksum, identifier 1, sequence 1.
        let sum = 0x0800u16 + 1 + 1;
        let [high, low] = (!sum).to_be_bytes();
        let request = [8, 0, high, low, 0, 1, 0, 1];
        sendto(
            fd.as_raw_fd(),
            &request,
            &SockaddrIn::from(SocketAddrV4::new(to, 0)),
            MsgFlags::empty(),
        )?;
        let mut answer = [0; 128];
        // With the IP header in front; 0 is the type of an echo reply.
        Ok(recv(fd.as_raw_fd(), &mut answer, MsgFlags::empty()).is_ok() && answer[20] == 0)
    })
}
