//! A server for load tools: one small page, connections kept alive unless the
//! client asks otherwise.
//!
//! Reads requests only as far as load tools write them: no bodies.

use std::io::{BufRead, BufReader, Result, Write};
use std::net::{TcpListener, TcpStream};

const KEEP: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";
const CLOSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n";

/// Serves for ever.
///
/// # Errors
/// The port cannot be bound.
pub fn serve(port: u16) -> Result<()> {
    for stream in TcpListener::bind(("0.0.0.0", port))?.incoming().flatten() {
        // An end in the middle of a request is how load tools stop.
        std::thread::spawn(move || answer(stream));
    }
    Ok(())
}

fn answer(stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    let (mut line, mut close) = (String::new(), false);
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        close |= line.trim_end().eq_ignore_ascii_case("connection: close");
        if line.trim_end().is_empty() {
            writer.write_all(if close { CLOSE } else { KEEP })?;
            if close {
                return Ok(());
            }
        }
    }
}
