//! A manager in this process, on a free port of the loopback device, with nodes that join over real TLS.

mod admission;
mod node;
mod rights;
mod services;
mod survival;
