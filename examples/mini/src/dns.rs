//! One A query over UDP to the first name server of `/etc/resolv.conf`.
//!
//! Asks anew for every call: the examples are there to show what the cluster's
//! DNS answers now, so nothing is cached.

use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(2);
const ATTEMPTS: u16 = 2;
const TYPE_A: u16 = 1;
const HEADER_BYTES: usize = 12;

/// IPv4 addresses of `host`; a literal address is returned as it stands.
///
/// # Errors
/// No name server configured, no answer in time, or no such name.
pub fn lookup(host: &str) -> Result<Vec<Ipv4Addr>> {
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Ok(vec![address]);
    }
    if host == "localhost" {
        return Ok(vec![Ipv4Addr::LOCALHOST]);
    }
    let server = name_server()?;
    let mut last = Error::new(ErrorKind::TimedOut, format!("no answer for {host}"));
    for id in 1..=ATTEMPTS {
        match ask(server, host, id) {
            Ok(addresses) if addresses.is_empty() => {
                return Err(Error::new(ErrorKind::NotFound, format!("no such name: {host}")));
            }
            Ok(addresses) => return Ok(addresses),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn name_server() -> Result<IpAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf")?;
    text.lines()
        .filter_map(|line| line.strip_prefix("nameserver"))
        .find_map(|rest| rest.trim().parse().ok())
        .ok_or_else(|| Error::new(ErrorKind::NotFound, "no nameserver in /etc/resolv.conf"))
}

fn ask(server: IpAddr, host: &str, id: u16) -> Result<Vec<Ipv4Addr>> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.connect((server, 53))?;
    socket.send(&query(host, id))?;
    let mut buffer = [0u8; 1500];
    let length = socket.recv(&mut buffer)?;
    addresses(&buffer[..length], id).ok_or_else(|| Error::new(ErrorKind::InvalidData, "malformed DNS answer"))
}

fn query(host: &str, id: u16) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + host.len() + 6);
    out.extend(id.to_be_bytes());
    out.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]); // recursion desired, one question
    for label in host.trim_end_matches('.').split('.') {
        out.push(label.len().min(63) as u8);
        out.extend(label.bytes().take(63));
    }
    out.push(0);
    out.extend(TYPE_A.to_be_bytes());
    out.extend([0, 1]); // class IN
    out
}

/// The A records of an answer; empty for "no such name"; `None` when malformed.
fn addresses(answer: &[u8], id: u16) -> Option<Vec<Ipv4Addr>> {
    if word(answer, 0)? != id {
        return None;
    }
    let records = word(answer, 6)?;
    let mut at = skip_name(answer, HEADER_BYTES)? + 4;
    let mut found = Vec::new();
    for _ in 0..records {
        at = skip_name(answer, at)?;
        let (kind, length) = (word(answer, at)?, usize::from(word(answer, at + 8)?));
        let data = answer.get(at + 10..at + 10 + length)?;
        if kind == TYPE_A
            && let Ok(octets) = <[u8; 4]>::try_from(data)
        {
            found.push(Ipv4Addr::from(octets));
        }
        at += 10 + length;
    }
    Some(found)
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// Offset after the name at `at`; a compression pointer ends a name.
fn skip_name(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            pointer if pointer & 0xc0 == 0xc0 => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_with_a_compressed_name_gives_its_addresses() {
        let mut answer = query("iotd", 7);
        answer[7] = 1; // one answer record
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 10, 1, 0, 2]);
        assert_eq!(addresses(&answer, 7), Some(vec![Ipv4Addr::new(10, 1, 0, 2)]));
        assert_eq!(addresses(&answer, 8), None);
    }

    #[test]
    fn a_truncated_answer_is_refused() {
        let mut answer = query("iotd", 7);
        answer[7] = 1;
        assert_eq!(addresses(&answer, 7), None);
    }
}
