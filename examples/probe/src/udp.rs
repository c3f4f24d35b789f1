//! Numbered datagrams to an echo server and back.
//!
//! A datagram carries its number in its first eight bytes, big-endian. What
//! did not come back within two seconds of the last send is lost.

use std::io::{Error, Result};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

const DRAIN: Duration = Duration::from_secs(2);

/// How far a sender that got no processor time catches up. A longer burst would fill the sockets'
/// buffers and be lost there, not in the network.
const CATCH_UP: Duration = Duration::from_millis(20);

/// Sends every datagram back to where it came from, for ever.
///
/// # Errors
/// The port cannot be bound.
pub fn echo(port: u16) -> Result<()> {
    let socket = UdpSocket::bind(("0.0.0.0", port))?;
    let mut buffer = [0u8; 65_536];
    loop {
        // An error here is an earlier answer's "port unreachable": not ours to end for.
        if let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&buffer[..length], peer);
        }
    }
}

/// Says `started`, sends `rate` datagrams a second for `seconds`, counts the echoes.
///
/// # Errors
/// Anything lost, or the name does not resolve.
pub fn send(host: &str, port: u16, rate: u16, seconds: u16) -> Result<()> {
    let address = mini::dns::lookup(host)?.first().copied();
    let address = address.ok_or_else(|| Error::other(format!("{host} has no address")))?;
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect((address, port))?;
    println!("started");
    let total = u64::from(rate) * u64::from(seconds);
    let receiver = {
        let socket = socket.try_clone()?;
        std::thread::spawn(move || receive(&socket, total))
    };
    let full_before = full_buffers();
    let period = Duration::from_secs(1) / u32::from(rate.max(1));
    let mut due = Instant::now();
    let mut refused = 0;
    for number in 0..total {
        let now = Instant::now();
        due = (due + period).max(now.checked_sub(CATCH_UP).unwrap_or(now));
        std::thread::sleep(due.saturating_duration_since(now));
        refused += u64::from(socket.send(&number.to_be_bytes()).is_err());
    }
    let seen = receiver.join().map_err(|_| Error::other("the receiver died"))?;
    let back = seen.iter().filter(|&&seen| seen).count() as u64;
    println!(
        "sent {total}\nreceived {back}\nlost {}\nrefused {refused}",
        total - back
    );
    println!("full_buffer {}", full_buffers().saturating_sub(full_before));
    print_gaps(&seen);
    if back == total {
        Ok(())
    } else {
        Err(Error::other(format!("{} of {total} lost", total - back)))
    }
}

/// Datagrams that arrived and found their socket's buffer full, in this network namespace so far:
/// the reader was too slow, no packet was lost on its way.
fn full_buffers() -> u64 {
    let text = std::fs::read_to_string("/proc/net/snmp").unwrap_or_default();
    let mut rows = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (Some(names), Some(values)) = (rows.next(), rows.next()) else {
        return 0;
    };
    let mut columns = names.split(' ').zip(values.split(' '));
    let found = columns.find(|(name, _)| *name == "RcvbufErrors");
    found.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
}

fn receive(socket: &UdpSocket, total: u64) -> Vec<bool> {
    let mut seen = vec![false; usize::try_from(total).unwrap_or(0)];
    let mut missing = total;
    let _ = socket.set_read_timeout(Some(DRAIN));
    let mut quiet_since = Instant::now();
    while missing > 0 && quiet_since.elapsed() < DRAIN {
        let mut number = [0u8; 8];
        // "Connection refused" comes back as an error at once: count it as quiet.
        let Ok(8) = socket.recv(&mut number) else { continue };
        quiet_since = Instant::now();
        let slot = usize::try_from(u64::from_be_bytes(number))
            .ok()
            .and_then(|i| seen.get_mut(i));
        if let Some(slot) = slot
            && !*slot
        {
            *slot = true;
            missing -= 1;
        }
    }
    seen
}

/// The first few runs of lost numbers: when it happened and for how long.
fn print_gaps(seen: &[bool]) {
    let mut at = 0;
    for _ in 0..8 {
        let Some(from) = seen[at..].iter().position(|seen| !seen).map(|i| at + i) else {
            return;
        };
        let until = seen[from..]
            .iter()
            .position(|seen| *seen)
            .map_or(seen.len(), |i| from + i);
        println!("gap {from}..{until}");
        at = until;
    }
}
