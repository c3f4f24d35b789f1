//! The tests' probe: servers that say who asked, and clients that count what
//! was lost. Prints `name value` lines; exits 1 when something was lost.

mod load;
mod pages;
mod steady;
mod stream;
mod udp;

use mini::http::{Response, request, serve};
use std::io::{Error, ErrorKind, Result};

const USAGE: &str = "usage: probe COMMAND
  whoami PORT                       HTTP server: answers with its task and the client's address
  pages PORT                        HTTP/1.1 server with connections kept alive, for load tools
  echo PORT                         TCP and UDP echo server
  udp HOST PORT RATE SECONDS        numbered datagrams to an echo server, RATE a second
  tcp HOST PORT SECONDS             one numbered stream to an echo server, 100 lines a second
  get HOST PORT PATH COUNT          COUNT requests, one connection each; prints every answer
  steady HOST PORT RATE SECONDS keep|connect
                                    RATE requests a second on kept connections, or one connection each
  load HOST PORT PATH SECONDS       20 requests a second; counts failures and the longest outage";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["whoami", port] => number(port).and_then(whoami),
        ["pages", port] => number(port).and_then(pages::serve),
        ["echo", port] => number(port).and_then(echo),
        ["udp", host, port, rate, seconds] => {
            numbers([port, rate, seconds]).and_then(|[port, rate, seconds]| udp::send(host, port, rate, seconds))
        }
        ["tcp", host, port, seconds] => {
            numbers([port, seconds]).and_then(|[port, seconds]| stream::keep(host, port, seconds))
        }
        ["get", host, port, path, count] => {
            numbers([port, count]).and_then(|[port, count]| get(host, port, path, count))
        }
        ["steady", host, port, rate, seconds, way @ ("keep" | "connect")] => numbers([port, rate, seconds])
            .and_then(|[port, rate, seconds]| steady::run(host, port, rate, seconds, *way == "keep")),
        ["load", host, port, path, seconds] => {
            numbers([port, seconds]).and_then(|[port, seconds]| load::run(host, port, path, seconds))
        }
        _ => Err(Error::new(ErrorKind::InvalidInput, USAGE)),
    };
    if let Err(error) = outcome {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn number(word: &str) -> Result<u16> {
    word.parse()
        .map_err(|_| Error::new(ErrorKind::InvalidInput, format!("not a number: {word}")))
}

fn numbers<const N: usize>(words: [&&str; N]) -> Result<[u16; N]> {
    let mut out = [0; N];
    for (slot, word) in out.iter_mut().zip(words) {
        *slot = number(word)?;
    }
    Ok(out)
}

fn whoami(port: u16) -> Result<()> {
    let task = mini::task_name();
    serve(port, move |request| {
        Response::text(200, format!("task: {task}\nclient: {}\n", request.peer))
    })
}

fn echo(port: u16) -> Result<()> {
    std::thread::spawn(move || {
        if let Err(error) = udp::echo(port) {
            eprintln!("udp echo: {error}");
            std::process::exit(1);
        }
    });
    stream::echo(port)
}

fn get(host: &str, port: u16, path: &str, count: u16) -> Result<()> {
    let mut failed = 0;
    for _ in 0..count {
        match request("GET", host, port, path, &[], "") {
            Ok((200, body)) => print!("{body}"),
            Ok((status, body)) => {
                failed += 1;
                eprintln!("status {status}: {}", body.trim());
            }
            Err(error) => {
                failed += 1;
                eprintln!("{error}");
            }
        }
    }
    println!("failed {failed}");
    if failed == 0 {
        Ok(())
    } else {
        Err(Error::other(format!("{failed} of {count} requests failed")))
    }
}
