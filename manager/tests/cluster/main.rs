//! A manager in this process, on a free port of the loopback device, with nodes that join over real TLS.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod admission;
mod autolock;
mod canary;
mod clock;
mod ended;
mod group;
mod kept;
mod logs;
mod matrix;
mod membership;
mod node;
mod payloads;
mod quorum;
mod recovery;
mod release;
mod repeated;
mod rights;
mod rotation;
mod secrecy;
mod services;
mod sessions;
mod settings;
mod survival;
mod tls;
mod tokens;
mod watch;
