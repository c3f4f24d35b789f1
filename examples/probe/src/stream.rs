//! One long TCP stream of numbered lines to an echo server and back.

use std::io::{BufRead, BufReader, Error, Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_millis(10);
const SILENCE: Duration = Duration::from_secs(5);

/// Echoes every connection's bytes, for ever.
///
/// # Errors
/// The port cannot be bound.
pub fn echo(port: u16) -> Result<()> {
    for stream in TcpListener::bind(("0.0.0.0", port))?.incoming().flatten() {
        std::thread::spawn(move || copy_back(stream));
    }
    Ok(())
}

fn copy_back(mut stream: TcpStream) -> Result<()> {
    let mut buffer = [0u8; 16 * 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            length => stream.write_all(&buffer[..length])?,
        }
    }
}

/// Says `started` once it has a connection, keeps that open for `seconds` and checks that every line comes back.
///
/// # Errors
/// A reset, an early end, a line out of order or five seconds of silence.
pub fn keep(host: &str, port: u16, seconds: u16) -> Result<()> {
    let address = mini::dns::lookup(host)?.first().copied();
    let address = address.ok_or_else(|| Error::other(format!("{host} has no address")))?;
    let stream = TcpStream::connect((address, port))?;
    println!("started");
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut writer, start) = (stream, Instant::now());
    let (mut number, mut slowest) = (0u64, Duration::ZERO);
    while start.elapsed() < Duration::from_secs(seconds.into()) {
        let sent = Instant::now();
        writeln!(writer, "{number}")?;
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim() != number.to_string() {
            return Err(Error::other(format!("line {number} came back as {line:?}")));
        }
        slowest = slowest.max(sent.elapsed());
        number += 1;
        std::thread::sleep(PERIOD.saturating_sub(sent.elapsed()));
    }
    println!("lines {number}\nslowest_ms {}\nlost 0", slowest.as_millis());
    Ok(())
}
