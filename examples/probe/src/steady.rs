//! Steady clients: so many requests a second in all, on kept connections or on
//! one connection each. A request that is not answered is lost; none is tried
//! again.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Clients, each with its share of the requests.
const CLIENTS: u16 = 10;
const TIMEOUT: Duration = Duration::from_secs(3);
const LONGEST_BODY: usize = 64 * 1024;

/// What one client saw.
#[derive(Default)]
struct Seen {
    good: u64,
    connections: u64,
    slowest: Duration,
    answered_by: BTreeMap<String, u64>,
    failures: BTreeMap<String, u64>,
    /// When the first and the last failure began.
    failed: Option<(Instant, Instant)>,
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.good += other.good;
        self.connections += other.connections;
        self.slowest = self.slowest.max(other.slowest);
        for (task, count) in other.answered_by {
            *self.answered_by.entry(task).or_default() += count;
        }
        for (failure, count) in other.failures {
            *self.failures.entry(failure).or_default() += count;
        }
        self.failed = match (self.failed, other.failed) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
    }

    fn fail(&mut self, at: Instant, error: &Error) {
        *self.failures.entry(error.to_string()).or_default() += 1;
        self.failed = Some((self.failed.map_or(at, |(first, _)| first), at));
    }
}

/// Prints how many requests went well, how many were lost, of what, and which
/// tasks answered how many. `keep`: connections are used again as long as the
/// server lets them.
///
/// # Errors
/// None; what was lost is a figure here.
pub fn run(host: &str, port: u16, rate: u16, seconds: u16, keep: bool) -> Result<()> {
    let start = Instant::now();
    let end = start + Duration::from_secs(seconds.into());
    let clients = u32::from(CLIENTS);
    let period = Duration::from_secs(1) * clients / u32::from(rate.max(1));
    let client = |number: u16| {
        let host = host.to_owned();
        let begin = period * u32::from(number) / clients;
        std::thread::spawn(move || {
            std::thread::sleep(begin);
            ask_until(end, &host, port, period, keep)
        })
    };
    let clients: Vec<_> = (0..CLIENTS).map(client).collect();
    let mut seen = Seen::default();
    for client in clients {
        seen.add(client.join().map_err(|_| Error::other("a client crashed"))?);
    }
    println!("good {}", seen.good);
    println!("failed {}", seen.failures.values().sum::<u64>());
    println!("connections {}", seen.connections);
    println!("tasks {}", seen.answered_by.len());
    println!("slowest_ms {}", seen.slowest.as_millis());
    for (task, count) in &seen.answered_by {
        println!("answered {count} {task}");
    }
    if let Some((first, last)) = seen.failed {
        let second = |at: Instant| at.duration_since(start).as_secs_f64();
        println!("failure from {:.1} s to {:.1} s", second(first), second(last));
    }
    for (failure, count) in seen.failures.iter().take(5) {
        println!("failure {count} x {failure}");
    }
    Ok(())
}

fn ask_until(end: Instant, host: &str, port: u16, period: Duration, keep: bool) -> Seen {
    let mut seen = Seen::default();
    let mut kept: Option<BufReader<TcpStream>> = None;
    let mut next = Instant::now();
    while Instant::now() < end {
        let sent = Instant::now();
        let connection = match kept.take() {
            Some(connection) => Ok(connection),
            None => {
                seen.connections += 1;
                connect(host, port)
            }
        };
        match connection.and_then(|connection| ask(connection, host, keep)) {
            Ok((task, connection)) => {
                seen.good += 1;
                *seen.answered_by.entry(task).or_default() += 1;
                seen.slowest = seen.slowest.max(sent.elapsed());
                kept = connection;
            }
            Err(error) => seen.fail(sent, &error),
        }
        // What was late is caught up with: the rate is the rate.
        next += period;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    seen
}

fn connect(host: &str, port: u16) -> Result<BufReader<TcpStream>> {
    let address = mini::dns::lookup(host)
        .map_err(|error| Error::new(error.kind(), format!("looking {host} up: {error}")))?
        .first()
        .copied()
        .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("{host} has no address")))?;
    let stream = TcpStream::connect_timeout(&SocketAddr::new(address.into(), port), TIMEOUT)
        .map_err(|error| Error::new(error.kind(), format!("connecting to {address}: {error}")))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    Ok(BufReader::new(stream))
}

/// One request; the task that answered, and the connection if it may be used again.
fn ask(mut connection: BufReader<TcpStream>, host: &str, keep: bool) -> Result<(String, Option<BufReader<TcpStream>>)> {
    let fate = if keep { "keep-alive" } else { "close" };
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: {fate}\r\n\r\n");
    connection.get_mut().write_all(request.as_bytes())?;
    let (mut line, mut length, mut closes, mut first) = (String::new(), 0, !keep, true);
    loop {
        line.clear();
        if connection.read_line(&mut line)? == 0 {
            return Err(Error::new(
                ErrorKind::UnexpectedEof,
                "the connection ended before the answer",
            ));
        }
        let text = line.trim_end().to_ascii_lowercase();
        if std::mem::take(&mut first) && text.split(' ').nth(1) != Some("200") {
            return Err(Error::new(ErrorKind::InvalidData, format!("answered {text:?}")));
        }
        closes |= text == "connection: close";
        if let Some(count) = text.strip_prefix("content-length: ") {
            length = count.parse().unwrap_or(0);
        }
        if text.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length.min(LONGEST_BODY)];
    connection.read_exact(&mut body)?;
    let task = String::from_utf8_lossy(&body).trim().to_owned();
    Ok((task, (!closes).then_some(connection)))
}
