//! A server as it should be written: it keeps connections alive, and after
//! SIGTERM answers what was asked already, says `Connection: close` with each
//! answer, and ends when nobody is left or after a while.
//!
//! Reads requests only as far as the probe writes them: no bodies.

use std::io::{BufRead, BufReader, Error, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Unless the first argument names another.
const PORT: u16 = 80;
/// How long connections on which nothing is asked are waited for.
const PATIENCE: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(5);

fn main() -> Result<()> {
    let ending = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, ending.clone())?;
    let open = Arc::new(AtomicUsize::new(0));
    let port = std::env::args().nth(1).map_or(Ok(PORT), |text| text.parse());
    let listener = TcpListener::bind(("0.0.0.0", port.map_err(Error::other)?))?;
    let (said, count) = (ending.clone(), open.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            let (said, count) = (said.clone(), count.clone());
            std::thread::spawn(move || {
                // A client that goes in the middle of a request has its reasons.
                let _ = answer(stream, &said);
                count.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    while !ending.load(Ordering::SeqCst) {
        std::thread::sleep(TICK);
    }
    let told = Instant::now();
    while open.load(Ordering::SeqCst) > 0 && told.elapsed() < PATIENCE {
        std::thread::sleep(TICK);
    }
    Ok(())
}

fn answer(stream: TcpStream, ending: &AtomicBool) -> Result<()> {
    stream.set_nodelay(true)?;
    let task = mini::task_name();
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
            close |= ending.load(Ordering::SeqCst);
            let fate = if close { "close" } else { "keep-alive" };
            let length = task.len() + 1;
            write!(
                writer,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: {fate}\r\n\r\n{task}\n"
            )?;
            if close {
                return Ok(());
            }
        }
    }
}
