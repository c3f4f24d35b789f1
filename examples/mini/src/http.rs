//! HTTP/1.0, one request a connection, one thread a connection.
//!
//! Every request opens a new connection on purpose: connections are what the
//! cluster balances.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(3);
const MAX_BODY_BYTES: u64 = 64 * 1024;

/// A request as the server read it.
pub struct Request {
    /// `GET`, `POST`.
    pub method: String,
    /// Path with the query, as sent.
    pub path: String,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, at most 64 KiB.
    pub body: String,
    /// Address of the client as this socket sees it.
    pub peer: SocketAddr,
}

/// Status code and body of an answer.
pub struct Response {
    /// Status code, for example 200.
    pub status: u16,
    /// Content type and body.
    pub content: (&'static str, String),
}

impl Response {
    /// Plain text with a status code.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            content: ("text/plain; charset=utf-8", body.into()),
        }
    }

    /// A page, status 200.
    pub fn html(body: impl Into<String>) -> Self {
        Self {
            status: 200,
            content: ("text/html; charset=utf-8", body.into()),
        }
    }
}

/// Serves `port` on all addresses for ever.
///
/// # Errors
/// The port cannot be bound.
pub fn serve<H>(port: u16, handler: H) -> Result<()>
where
    H: Fn(&Request) -> Response + Send + Sync + 'static,
{
    let listener = TcpListener::bind(("0.0.0.0", port))?;
    let handler = std::sync::Arc::new(handler);
    for stream in listener.incoming().flatten() {
        let handler = handler.clone();
        std::thread::spawn(move || {
            if let Err(error) = answer(stream, handler.as_ref()) {
                eprintln!("request failed: {error}");
            }
        });
    }
    Ok(())
}

fn answer(mut stream: TcpStream, handler: &dyn Fn(&Request) -> Response) -> Result<()> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    let request = read_request(&stream)?;
    let response = handler(&request);
    let (kind, body) = response.content;
    let text = format!(
        "HTTP/1.0 {} {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        response.status,
        if response.status < 400 { "OK" } else { "Error" },
        body.len(),
    );
    stream.write_all(text.as_bytes())
}

fn read_request(stream: &TcpStream) -> Result<Request> {
    let peer = stream.peer_addr()?;
    let mut reader = BufReader::new(stream);
    let first = line(&mut reader)?;
    let mut words = first.split_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Err(Error::new(ErrorKind::InvalidData, "not an HTTP request"));
    };
    let headers = read_headers(&mut reader)?;
    let body = read_body(&mut reader, &headers)?;
    Ok(Request {
        method,
        path,
        headers,
        body,
        peer,
    })
}

fn line(reader: &mut impl BufRead) -> Result<String> {
    let mut text = String::new();
    reader.take(8192).read_line(&mut text)?;
    Ok(text.trim_end().to_owned())
}

fn read_headers(reader: &mut impl BufRead) -> Result<BTreeMap<String, String>> {
    let mut headers = BTreeMap::new();
    loop {
        let text = line(reader)?;
        if text.is_empty() || headers.len() > 64 {
            return Ok(headers);
        }
        if let Some((name, value)) = text.split_once(':') {
            headers.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
}

fn read_body(reader: &mut impl BufRead, headers: &BTreeMap<String, String>) -> Result<String> {
    let length: u64 = headers.get("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
    let mut body = String::new();
    reader.take(length.min(MAX_BODY_BYTES)).read_to_string(&mut body)?;
    Ok(body)
}

/// Sends one request to `host` (a name or an address) and returns status and body.
///
/// # Errors
/// Unknown name, no connection or no complete answer within three seconds.
pub fn request(
    method: &str,
    host: &str,
    port: u16,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<(u16, String)> {
    let mut last = Error::new(ErrorKind::NotFound, format!("no such name: {host}"));
    for address in crate::dns::lookup(host)? {
        match TcpStream::connect_timeout(&SocketAddr::new(IpAddr::V4(address), port), TIMEOUT) {
            Ok(stream) => return exchange(stream, method, host, path, headers, body),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn exchange(
    mut stream: TcpStream,
    method: &str,
    host: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<(u16, String)> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut text = format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(text.as_bytes())?;
    let mut answer = String::new();
    stream.take(MAX_BODY_BYTES).read_to_string(&mut answer)?;
    let malformed = || Error::new(ErrorKind::InvalidData, "not an HTTP answer");
    let (head, content) = answer.split_once("\r\n\r\n").ok_or_else(malformed)?;
    let status = head.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    Ok((status.ok_or_else(malformed)?, content.to_owned()))
}
